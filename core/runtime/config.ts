/**
 * Every setting, in one place: read and validated once, with all errors in one message. `.env.example` lists the same
 * names (checked by a test).
 */

import { randomBytes } from 'node:crypto'
import { type DriverName, type Env, envSchema } from './env-schema.ts'
import { findConnection, type NamedConnections } from './named-connections.ts'
import type { RedisTarget } from './redis-target.ts'
import { removedSettings, settingConflicts } from './setting-conflicts.ts'
import { SettingsError } from './startup-error.ts'

export type OwnerCheck = 'off' | 'actions' | 'all'

/** Limits per subject (the person whose codes are requested), over all requests. */
export interface SubjectLimits {
  readonly codesPerHour: number
  readonly wrongCodesPerHour: number
}

export interface Config {
  readonly production: boolean
  readonly redis: RedisTarget
  /** Timeouts and key prefixes of every connection of this installation. */
  readonly connections: {
    readonly keyPrefix: string
    readonly connectTimeoutMs: number
    readonly commandTimeoutMs: number
    readonly keepAliveMs: number
  }
  readonly requestTtlSeconds: number
  /** How long running work may continue after a process received a signal to stop. */
  readonly drainSeconds: number
  readonly logLevel: string
  readonly server: {
    readonly host: string
    readonly port: number
    /** Origins, besides the server's own, whose pages may read and act. */
    readonly allowedOrigins: readonly string[]
    /**
     * Number of proxies in front: the client's address is that many entries from the end of X-Forwarded-For. Or their
     * addresses and networks: the client's address is the last entry that is none of these.
     */
    readonly trustProxy: number | string[]
    /** Of the pages, the default first. */
    readonly languages: readonly string[]
    /** Where catalogues of other languages than English and Persian are, as `de.json`. */
    readonly languagesFolder: string | undefined
    readonly submitsPerMinute: number
    /** Submits of up to 1,000 requests each. */
    readonly batchesPerMinute: number
    readonly actionsPerMinute: number
    /** Unfinished requests, including scheduled ones: per session or address, per queue, in total. */
    readonly maxUnfinishedPerSubmitter: number
    readonly maxUnfinishedPerQueue: number
    readonly maxUnfinished: number
    /** How far ahead a request may be scheduled. */
    readonly maxDelaySeconds: number
    /** The most urgent priority that callers may request; 1 is the most urgent. */
    readonly topPriority: number
    /** What is restricted to the submitter: nothing, actions (code, resend, cancel), or reading as well. */
    readonly ownerCheck: OwnerCheck
    readonly subjectLimits: SubjectLimits
  }
  readonly worker: { readonly concurrency: number }
  readonly bots: {
    readonly url: string
    readonly port: number
    readonly timeoutSeconds: number
    readonly token: string
    /** Tokens by the name of the bot; that of LOCAL_API_TOKEN is `default`. */
    readonly tokens: ReadonlyMap<string, string>
    /** Where bots may be: host names, addresses, networks, `loopback`. */
    readonly addresses: readonly string[]
    /** Where a bot of this installation listens, and the address it announces. */
    readonly host: string
    readonly address: string
    /** How many requests a bot of this installation runs at once. */
    readonly concurrency: number
    /** The server that a bot calls instead of Redis; null for Redis. */
    readonly halfwayUrl: string | null
    /** With which a bot calls the server and is called. */
    readonly ownToken: string
  }
  /** Parallel tasks (core/tasks/). */
  readonly concurrency: {
    readonly driver: DriverName
    /** Maximum number of processes or threads. */
    readonly poolSize: number
    readonly redis: RedisTarget
    /** What `--connection` may name. */
    readonly connections: NamedConnections
    readonly prefix: string
  }
}

/** Used only outside production, where all processes connect over the loopback address. */
export const DEVELOPMENT_TOKEN = 'local-development-only'

/** @throws SettingsError naming every invalid setting */
export function loadConfig(env: Readonly<Record<string, string | undefined>>): Config {
  const given = Object.fromEntries(
    Object.entries(env).filter(([, value]) => value !== undefined && value.trim() !== ''),
  )
  // Existing .env files write an absent password as the word null.
  if (given.REDIS_PASSWORD === 'null') delete given.REDIS_PASSWORD
  const parsed = envSchema.safeParse(given)
  const invalid = parsed.error?.issues.map((issue) => `${issue.path[0]?.toString()}: ${issue.message}`) ?? []
  // An invalid setting still counts as set, so that it is reported once.
  const complaints = [...removedSettings(given), ...invalid, ...settingConflicts(parsed.data ?? given)]
  if (parsed.success) {
    const found = findConnection(namedConnections(parsed.data), parsed.data.CONCURRENCY_REDIS_CONNECTION)
    if (typeof found === 'string') complaints.push(`CONCURRENCY_REDIS_CONNECTION: ${found}`)
  }
  if (!parsed.success || complaints.length > 0) {
    throw new SettingsError([...new Set(complaints)])
  }
  return deepFreeze(toConfig(parsed.data))
}

function toConfig(s: Env): Config {
  const connections = namedConnections(s)
  const isProduction = s.NODE_ENV === 'production'
  // A bot of production with a token of its own may have no other one. A random one in its place lets no call in.
  const localToken =
    s.LOCAL_API_TOKEN ?? (isProduction ? randomBytes(32).toString('base64url') : DEVELOPMENT_TOKEN)
  return {
    production: isProduction,
    redis: redisTarget(s),
    connections: {
      keyPrefix: s.KEY_PREFIX,
      connectTimeoutMs: s.REDIS_CONNECT_TIMEOUT_MS,
      commandTimeoutMs: s.REDIS_COMMAND_TIMEOUT_MS,
      keepAliveMs: s.REDIS_KEEP_ALIVE_MS,
    },
    requestTtlSeconds: s.REQUEST_TTL,
    drainSeconds: s.DRAIN_SECONDS,
    logLevel: s.LOG_LEVEL,
    server: {
      host: s.HOST,
      port: s.PORT,
      allowedOrigins: s.ALLOWED_ORIGINS,
      trustProxy: s.TRUST_PROXY,
      languages: s.LANGUAGES,
      languagesFolder: s.LANGUAGES_FOLDER,
      submitsPerMinute: s.SUBMITS_PER_MINUTE,
      batchesPerMinute: s.BATCHES_PER_MINUTE,
      maxDelaySeconds: s.MAX_DELAY,
      topPriority: s.TOP_PRIORITY,
      actionsPerMinute: s.ACTIONS_PER_MINUTE,
      maxUnfinishedPerSubmitter: s.MAX_UNFINISHED_PER_SUBMITTER,
      maxUnfinishedPerQueue: s.MAX_UNFINISHED_PER_QUEUE,
      maxUnfinished: s.MAX_UNFINISHED,
      ownerCheck: s.OWNER_CHECK,
      subjectLimits: {
        codesPerHour: s.SUBJECT_CODES_PER_HOUR,
        wrongCodesPerHour: s.SUBJECT_WRONG_CODES_PER_HOUR,
      },
    },
    worker: { concurrency: s.WORKER_CONCURRENCY },
    bots: {
      url: s.LOCAL_API_URL,
      port: s.LOCAL_API_PORT,
      timeoutSeconds: s.LOCAL_API_TIMEOUT,
      token: localToken,
      tokens: new Map([['default', localToken], ...Object.entries(s.BOT_TOKENS)]),
      addresses: s.BOT_ADDRESSES,
      host: s.BOT_HOST,
      address: s.BOT_ADDRESS ?? `http://127.0.0.1:${s.LOCAL_API_PORT}`,
      concurrency: s.BOT_CONCURRENCY,
      halfwayUrl: s.HALFWAY_URL ?? null,
      ownToken: s.BOT_TOKEN ?? localToken,
    },
    concurrency: {
      driver: s.CONCURRENCY_DRIVER,
      poolSize: s.CONCURRENCY_POOL_SIZE,
      redis: findConnection(connections, s.CONCURRENCY_REDIS_CONNECTION) as RedisTarget,
      connections,
      // Installations that share a Redis must not run each other's tasks.
      prefix: s.CONCURRENCY_REDIS_PREFIX ?? `${s.KEY_PREFIX}halfway:concurrency:`,
    },
  }
}

function namedConnections(s: Env): NamedConnections {
  const others = Object.entries(s.REDIS_CONNECTIONS).map(([name, url]): [string, RedisTarget] => [
    name,
    { kind: 'single', url },
  ])
  return { default: redisTarget(s), ...Object.fromEntries(others) }
}

function redisTarget(s: Env): RedisTarget {
  const access = { password: s.REDIS_PASSWORD, db: s.REDIS_DB ?? 0 }
  if (s.REDIS_URL) return { kind: 'single', url: s.REDIS_URL }
  if (s.REDIS_CLUSTER_NODES)
    return { kind: 'cluster', nodes: s.REDIS_CLUSTER_NODES, password: s.REDIS_PASSWORD }
  if (s.REDIS_SENTINELS && s.REDIS_SENTINEL_NAME) {
    return { kind: 'sentinel', sentinels: s.REDIS_SENTINELS, name: s.REDIS_SENTINEL_NAME, ...access }
  }
  if (s.REDIS_HOST || s.REDIS_PORT) {
    return { kind: 'single', host: s.REDIS_HOST ?? '127.0.0.1', port: s.REDIS_PORT ?? 6379, ...access }
  }
  // A process of production that needs a Redis reports that there is none. Bots with HALFWAY_URL need none.
  return s.NODE_ENV === 'production'
    ? { kind: 'single', host: '127.0.0.1', port: 6379, ...access }
    : { kind: 'embedded' }
}

function deepFreeze<T extends object>(value: T): T {
  for (const part of Object.values(value)) if (part && typeof part === 'object') deepFreeze(part)
  return Object.freeze(value)
}
