/**
 * Connections to the Redis that the settings name: single (TCP, TLS or unix socket), Sentinel or Cluster.
 *
 * A process opens up to three roles, which differ in their behaviour while Redis is away:
 *   fail-fast   commands of the server: they fail within a second and are never queued offline
 *   patient     commands of workers and bots: they wait for the connection
 *   subscriber  pub/sub; the channel subscriber resubscribes after a reconnect
 *
 * A connection that is dead but not closed (a network that drops packets, a frozen Redis) is detected and replaced: each one
 * sends a PING per second, and is closed after a time without any reply.
 */
import { Cluster, type Redis, type RedisOptions } from 'ioredis'
import type { Log } from '../runtime/log.ts'
import type { RedisTarget } from '../runtime/redis-target.ts'
import { StartupError } from '../runtime/startup-error.ts'
import { joinRunningEmbedded, startOrJoinEmbedded } from './embedded.ts'
import { createKeys, type KeyOptions, type Keys } from './keys.ts'
import { describeReason } from './redis-error.ts'
import { SCRIPTS, type Scripts } from './scripts.ts'
import {
  createClient,
  createCluster,
  createClusterSubscriber,
  describeTarget,
  listNodes,
  skipForbiddenInfo,
} from './topology.ts'

export type Role = 'fail-fast' | 'patient' | 'subscriber'

/** A connection with the key names of its installation. */
export type RedisClient = (Redis | Cluster) & Scripts & { readonly names: Keys }

/** Options of all connections: `Config['connections']` and those of a role. */
export interface ConnectionSettings extends KeyOptions {
  connectTimeoutMs?: number
  /** Only of the fail-fast role; the others wait. */
  commandTimeoutMs?: number
  /** Idle time before the system sends TCP keep-alive probes. */
  keepAliveMs?: number
  /** For read-only commands: a running embedded Redis is used, but neither started nor stopped. */
  joinOnly?: boolean
  /** How long a blocking command may wait for a job. */
  blockMs?: number
}

export interface RedisConnections {
  /** The target without a password, for messages and logs. */
  readonly address: string
  /** Resolves once connected. @throws StartupError when Redis does not answer */
  connect(role: Role): Promise<RedisClient>
  /** Closes its connections in reverse order, then stops an embedded Redis that it started. */
  stop(): Promise<void>
}

const PING_INTERVAL_MS = 1000
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

const OPTIONS: Record<Role, RedisOptions> = {
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

const SHARED: RedisOptions = {
  lazyConnect: true,
  disconnectTimeout: 500,
  maxLoadingRetryTime: 1000,
  retryStrategy: (times) => Math.min(50 * 2 ** Math.min(times, 5), 1000),
  scripts: SCRIPTS,
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

export async function openRedis(
  target: RedisTarget,
  log: Log,
  settings: ConnectionSettings = {},
): Promise<RedisConnections> {
  const embedded =
    target.kind !== 'embedded'
      ? null
      : await (settings.joinOnly ? joinRunningEmbedded() : startOrJoinEmbedded(log))
  const real = embedded?.target ?? (target as Exclude<RedisTarget, { kind: 'embedded' }>)
  const address = describeTarget(real)
  const names = createKeys(settings, { isCluster: real.kind === 'cluster' })
  const open: { client: Redis | Cluster; stop(): void }[] = []

  function create(role: Role, options: RedisOptions): Redis | Cluster {
    if (real.kind !== 'cluster') return createClient(real, options)
    if (role !== 'subscriber') return createCluster(real, options)
    return createClusterSubscriber(real, options, () =>
      open.flatMap(({ client }) => (client instanceof Cluster ? listNodes(client) : [])),
    )
  }

  return {
    address,
    async connect(role) {
      let started = false
      const client = create(role, {
        ...SHARED,
        ...OPTIONS[role],
        ...timeLimits(role, settings),
        connectionName: `${names.queues}:${role}`,
        sentinelRetryStrategy: (times) => (started ? SHARED.retryStrategy?.(times) : null),
      })
      try {
        await start(client)
        started = true
      } catch (cause) {
        client.disconnect()
        throw new StartupError(
          `Redis at ${address} does not answer (${describeReason(cause)}); start it or correct the REDIS_ settings.`,
          { cause },
        )
      }
      logConnectionState(client, role, log)
      const heartbeat = setInterval(() => pingAll(client), PING_INTERVAL_MS).unref()
      open.push({
        client,
        stop() {
          clearInterval(heartbeat)
          client.disconnect()
        },
      })
      return Object.assign(client, { names }) as RedisClient
    },
    async stop() {
      for (const { stop } of open.splice(0).reverse()) stop()
      await embedded?.stop()
    },
  }
}

/** Resolves after the first reply; rejects with the error of an event, as `connect` only reports a closed connection. */
async function start(client: Redis | Cluster): Promise<void> {
  let reason: Error | undefined
  const recordError = (error: Error): void => {
    reason = error
  }
  client.on('error', recordError)
  client.on('sentinelError', recordError)
  try {
    await client.connect()
    if ((await client.ping().catch(unlessItCannotSave)) !== 'PONG')
      throw new Error('Protocol error: no answer to PING')
    // ioredis would report a failed SELECT only by an event, and continue in database 0.
    if (!(client instanceof Cluster) && client.options.db) await client.select(client.options.db)
    await skipForbiddenInfo(client)
  } catch (error) {
    throw reason ?? error
  } finally {
    client.off('error', recordError)
    client.off('sentinelError', recordError)
  }
}

/** A Redis that cannot save to its disk refuses PING as well as writes, but it is up and serves reads. */
function unlessItCannotSave(error: Error): 'PONG' {
  if (/^MISCONF/.test(error.message)) return 'PONG'
  throw error
}

/** The reply is ignored: without one, `socketTimeout` closes the connection. */
function pingAll(client: Redis | Cluster): void {
  const connections = client instanceof Cluster ? client.nodes('all') : [client]
  for (const connection of connections) if (connection.status === 'ready') connection.ping().catch(() => {})
}

/** Logs one line when the connection is lost and one when it is restored, none per retry. */
function logConnectionState(client: Redis | Cluster, role: Role, log: Log): void {
  let away = false
  client.on('error', (error: Error) => {
    if (away) return
    away = true
    log.warn({ connection: role, reason: describeReason(error) }, 'Redis is away')
  })
  client.on('ready', () => {
    if (away) log.info({ connection: role }, 'Redis is back')
    away = false
  })
}
