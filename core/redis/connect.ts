/**
 * Connections to the Redis that the settings name: single (TCP, TLS or unix socket), Sentinel or Cluster.
 *
 * A process opens at most three kinds, and for each there is one right behaviour while Redis is away:
 *   fail-fast   the server's commands: an answer within a second, never a waiting line
 *   patient     workers and bots: wait for Redis, then go on
 *   subscriber  hears channels; the update bus sees to it that it hears them again after a pause
 *
 * Every one of them is replaced when it is dead without having been closed (a network that drops packets, a frozen
 * Redis): whoever has asked something and hears nothing at all for a while hangs up, and something is asked every second.
 */
import { Cluster, type Redis, type RedisOptions } from 'ioredis'
import type { Log } from '../runtime/log.ts'
import type { RedisTarget } from '../runtime/redis-target.ts'
import { StartupError } from '../runtime/startup-error.ts'
import { joinRunningEmbedded, startOrJoinEmbedded } from './embedded.ts'
import { createKeys, type KeyOptions, type Keys } from './keys.ts'
import { reasonOf } from './redis-error.ts'
import { SCRIPTS, type Scripts } from './scripts.ts'
import {
  createClient,
  createCluster,
  createClusterSubscriber,
  describeTarget,
  nodesOf,
  spareInfo,
} from './topology.ts'

export type Role = 'fail-fast' | 'patient' | 'subscriber'

/** A connection knows the names of its installation. */
export type RedisClient = (Redis | Cluster) & Scripts & { readonly names: Keys }

/** How to connect, beside where: `Config['connections']`; what is left out has its default. */
export interface ConnectionSettings extends KeyOptions {
  connectTimeoutMs?: number
  /** Of the fail-fast connection: the others wait. */
  commandTimeoutMs?: number
  /** How long a connection is idle before the system probes it. */
  keepAliveMs?: number
  /** Whoever only looks: a private Redis is neither started nor stopped. */
  joinOnly?: boolean
  /** Of the connections that wait for jobs: how long one question for a job may take. */
  blockMs?: number
}

export interface RedisConnections {
  /** Where it connects to, without a password: for messages and logs. */
  readonly address: string
  /** Resolves once connected. @throws StartupError in one sentence when Redis does not answer */
  connect(role: Role): Promise<RedisClient>
  /** Closes every connection it opened, the youngest first, then an embedded Redis of its own. */
  stop(): Promise<void>
}

const PING_INTERVAL_MS = 1000
/** What a question may take beyond the second after which it is asked: no answer until then means silence. */
const SLACK_MS = 200
/** Longer than any command of ours takes, but for the workers' waiting for jobs (`blockMs`). */
const SOCKET_TIMEOUT_MS = 3200

/**
 * Answers of a Redis that is not, or not yet, the one to talk to: what was the master is a replica now, or reads its
 * data. Scripts of an older Redis say so in the middle of their error.
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
  // The update bus subscribes again itself: it must know when that is confirmed, and when it is not.
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
  // With one command unanswered for longer, those behind it in the pipeline would wait in vain, too.
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
      open.flatMap(({ client }) => (client instanceof Cluster ? nodesOf(client) : [])),
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
          `Redis at ${address} does not answer (${reasonOf(cause)}); start it or correct the REDIS_ settings.`,
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

/** Resolves once it answers; rejects with what an event said, since `connect` only says that the connection is closed. */
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
    // ioredis would only tell of it by an event, and go on in database 0.
    if (!(client instanceof Cluster) && client.options.db) await client.select(client.options.db)
    await spareInfo(client)
  } catch (error) {
    throw reason ?? error
  } finally {
    client.off('error', recordError)
    client.off('sentinelError', recordError)
  }
}

/** A Redis that cannot save to its disk refuses PING as it refuses writes: it answers, and reads go on. */
function unlessItCannotSave(error: Error): 'PONG' {
  if (/^MISCONF/.test(error.message)) return 'PONG'
  throw error
}

/** Only the question counts: what hears nothing after it is ended by its `socketTimeout`. */
function pingAll(client: Redis | Cluster): void {
  const connections = client instanceof Cluster ? client.nodes('all') : [client]
  for (const one of connections) if (one.status === 'ready') one.ping().catch(() => {})
}

/** One line when Redis goes, one when it is back: never one a try. */
function logConnectionState(client: Redis | Cluster, role: Role, log: Log): void {
  let away = false
  client.on('error', (error: Error) => {
    if (away) return
    away = true
    log.warn({ connection: role, reason: reasonOf(error) }, 'Redis is away')
  })
  client.on('ready', () => {
    if (away) log.info({ connection: role }, 'Redis is back')
    away = false
  })
}
