/**
 * Connections to the Redis that the settings name: single (TCP, TLS or unix socket), Sentinel or Cluster.
 *
 * A process opens at most three kinds, and for each there is one right behaviour while Redis is away:
 *   fail-fast   the server's commands: an answer within a second, never a waiting line
 *   patient     workers and bots: wait for Redis, then go on
 *   subscriber  hears channels; the update bus sees to it that it hears them again after a pause
 */
import { readFileSync } from 'node:fs'
import { Cluster, type ClusterOptions, Redis, type RedisOptions } from 'ioredis'
import type { RedisTarget } from '../config.ts'
import { StartError } from '../errors.ts'
import type { Log } from '../log.ts'
import { joinEmbedded } from './embedded.ts'

export type Role = 'fail-fast' | 'patient' | 'subscriber'

const COMMIT = readFileSync(new URL('./lua/commit.lua', import.meta.url), 'utf8')

/** The script of lua/commit.lua as a command; numbers of keys and arguments as its header says. */
interface Scripts {
  commitRequest(...args: (string | number)[]): Promise<1 | string | null>
}
export type RedisClient = (Redis | Cluster) & Scripts

export interface RedisConnections {
  /** Where it connects to, without a password: for messages and logs. */
  readonly address: string
  /** Resolves once connected. @throws StartError in one sentence when Redis does not answer */
  connect(role: Role): Promise<RedisClient>
  /** Closes every connection it opened, the youngest first, then an embedded Redis of its own. */
  stop(): Promise<void>
}

const ANSWER_WITHIN_MS = 700

const OPTIONS: Record<Role, RedisOptions> = {
  'fail-fast': {
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    commandTimeout: ANSWER_WITHIN_MS,
    autoResendUnfulfilledCommands: false,
    enableAutoPipelining: true,
  },
  patient: { maxRetriesPerRequest: null, enableAutoPipelining: true },
  // The update bus subscribes again itself: it must know when that is confirmed.
  subscriber: { maxRetriesPerRequest: null, autoResubscribe: false },
}

const SHARED: RedisOptions = {
  lazyConnect: true,
  connectTimeout: 3000,
  keepAlive: 5000,
  retryStrategy: (times) => Math.min(50 * 2 ** Math.min(times, 5), 1000),
  scripts: { commitRequest: { lua: COMMIT, numberOfKeys: 2 } },
}

export async function openRedis(target: RedisTarget, log: Log): Promise<RedisConnections> {
  const embedded = target.kind === 'embedded' ? await joinEmbedded(log) : null
  const real = embedded?.target ?? (target as Exclude<RedisTarget, { kind: 'embedded' }>)
  const address = addressOf(real)
  const open: RedisClient[] = []

  return {
    address,
    async connect(role) {
      const client = createClient(real, { ...SHARED, ...OPTIONS[role], connectionName: `halfway-${role}` })
      // The error of `connect` says only that the connection is closed; why, this event knows.
      let reason: Error | undefined
      const hear = (error: Error): void => {
        reason = error
      }
      client.on('error', hear)
      try {
        await client.connect()
        await client.ping()
      } catch (cause) {
        client.disconnect()
        const why = reasonOf(reason ?? cause)
        throw new StartError(
          `Redis at ${address} does not answer (${why}); start it or correct the REDIS_ settings.`,
          { cause },
        )
      }
      watchHealth(client, role, log)
      client.off('error', hear)
      open.push(client)
      return client
    },
    async stop() {
      for (const client of open.reverse()) client.disconnect()
      await embedded?.stop()
    },
  }
}

function createClient(
  target: Exclude<RedisTarget, { kind: 'embedded' }>,
  options: RedisOptions,
): RedisClient {
  if (target.kind === 'cluster') {
    const { scripts, lazyConnect, enableOfflineQueue, enableAutoPipelining, ...redisOptions } = options
    const cluster: ClusterOptions = {
      lazyConnect, enableOfflineQueue, enableAutoPipelining, scripts,
      redisOptions: { ...redisOptions, password: target.password },
    } // biome-ignore format: what belongs to the cluster and what to its nodes
    return new Cluster(target.nodes, cluster) as unknown as RedisClient
  }
  return new Redis({ ...options, ...placeOf(target) }) as unknown as RedisClient
}

function placeOf(target: Exclude<RedisTarget, { kind: 'embedded' | 'cluster' }>): RedisOptions {
  if (target.kind === 'sentinel') {
    const { sentinels, name, password, db } = target
    return { sentinels, name, password, db }
  }
  if (!('url' in target))
    return { host: target.host, port: target.port, password: target.password, db: target.db }
  const url = new URL(target.url)
  if (url.protocol === 'unix:')
    return { path: decodeURIComponent(url.pathname), db: Number(url.searchParams.get('db') ?? 0) }
  return {
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: Number(url.port || 6379),
    username: decodeURIComponent(url.username) || undefined,
    password: decodeURIComponent(url.password) || undefined,
    db: Number(url.pathname.slice(1) || 0),
    ...(url.protocol === 'rediss:' && { tls: {} }),
  }
}

function addressOf(target: Exclude<RedisTarget, { kind: 'embedded' }>): string {
  if (target.kind === 'cluster') return target.nodes.map((node) => `${node.host}:${node.port}`).join(',')
  if (target.kind === 'sentinel') return `Sentinel master "${target.name}"`
  const place = placeOf(target)
  return place.path ?? `${place.host}:${place.port}`
}

/** One line when Redis goes, one when it is back: never one a try. */
function watchHealth(client: RedisClient, role: Role, log: Log): void {
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

function reasonOf(error: unknown): string {
  const { code, message, lastNodeError } = error as { code?: string; message?: string; lastNodeError?: Error }
  const text = lastNodeError?.message ?? message ?? ''
  if (text.startsWith('NOAUTH')) return 'it wants a password'
  if (text.startsWith('WRONGPASS')) return 'the password is wrong'
  return code ?? (text || 'no answer')
}
