/** Options of ioredis by the role of a connection. */
import type { RedisOptions } from 'ioredis'
import type { TlsFiles } from '../runtime/redis-target.ts'
import type { KeyOptions } from './keys.ts'
import { SCRIPTS } from './lua-scripts.ts'
import type { Rights } from './rights.ts'

export type Role = 'fail-fast' | 'patient' | 'subscriber'

/** Options of all connections: `Config['connections']` and those of a role. */
export interface ConnectionSettings extends KeyOptions {
  connectTimeoutMs?: number
  /** Only of the fail-fast role; the others wait. */
  commandTimeoutMs?: number
  /** Idle time before the system sends TCP keep-alive probes. */
  keepAliveMs?: number
  /** For addresses that begin with rediss://. */
  tls?: TlsFiles
  /** For read-only commands: a running embedded Redis is used, but neither started nor stopped. */
  joinOnly?: boolean
  /** How long a blocking command may wait for a job. */
  blockMs?: number
  /** What the user of Redis must be allowed, which is checked at the start. */
  rights?: Rights
  /** DATA_KEY, parsed: the first key seals, and each may open. */
  dataKeys?: readonly Buffer[]
  /** Called with the round trip of each PING of a command connection. */
  onPing?: (seconds: number) => void
}

export const PING_INTERVAL_MS = 1000
/** Tolerance for a reply, added to the time until the next PING. */
const SLACK_MS = 200
/** Longer than any command takes, except the blocking ones of the workers (`blockMs`). */
const SOCKET_TIMEOUT_MS = 3200

/**
 * Errors of a server that is not, or not yet, the master: it has become a replica, or is loading its data. An older Redis
 * reports errors of commands in a script in the middle of the message.
 */
const isFailoverError = ({ message }: Error): boolean =>
  /(?:^|: -)(?:READONLY|LOADING|MASTERDOWN|UNBLOCKED) /.test(message)

const BY_ROLE: Record<Role, RedisOptions> = {
  'fail-fast': {
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    reconnectOnError: isFailoverError,
  },
  patient: {
    maxRetriesPerRequest: null,
    reconnectOnError: (error) => isFailoverError(error) && 2,
  },
  // The channel subscriber resubscribes itself: it must know whether that was confirmed.
  subscriber: {
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    autoResubscribe: false,
  },
}

/** Milliseconds until the connection is tried again. */
export const retryDelay = (times: number): number => Math.min(50 * 2 ** Math.min(times, 5), 1000)

const SHARED: RedisOptions = {
  lazyConnect: true,
  disconnectTimeout: 500,
  maxLoadingRetryTime: 1000,
  retryStrategy: retryDelay,
  scripts: SCRIPTS,
  // CLIENT SETINFO, which a restricted user may not call.
  disableClientInfo: true,
}

/** @param notice called with each error that Redis answers, on this connection and on BullMQ's copies of it */
export function optionsOf(
  role: Role,
  settings: ConnectionSettings,
  notice: (error: Error) => void,
): RedisOptions {
  const { reconnectOnError, ...byRole } = BY_ROLE[role]
  return {
    ...byRole,
    ...SHARED,
    ...timeLimits(role, settings),
    reconnectOnError(error) {
      notice(error)
      return reconnectOnError?.(error) ?? false
    },
  }
}

function timeLimits(
  role: Role,
  { connectTimeoutMs = 3000, commandTimeoutMs = 700, keepAliveMs = 5000, blockMs = 0 }: ConnectionSettings,
): RedisOptions {
  const shared = { connectTimeout: connectTimeoutMs, keepAlive: keepAliveMs }
  // When a command gets no reply for longer, those behind it in the pipeline get none either.
  if (role === 'fail-fast')
    return { ...shared, commandTimeout: commandTimeoutMs, socketTimeout: commandTimeoutMs + SLACK_MS }
  return { ...shared, socketTimeout: Math.max(SOCKET_TIMEOUT_MS, blockMs + PING_INTERVAL_MS + SLACK_MS) }
}
