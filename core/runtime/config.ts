/**
 * Every setting, in one place: read and validated once, with all errors in one message. `.env.example` lists the same
 * names (checked by a test).
 */
import { randomBytes } from 'node:crypto'
import { type ConsoleAccess, toConsoleAccess } from './console-settings.ts'
import { deepFreeze } from './deep-freeze.ts'
import { type DriverName, ENV_NAMES, type Env, envSchema } from './env-schema.ts'
import { type ServerLimits, toLimits } from './limit-settings.ts'
import type { MeasuredProcess } from './metrics.ts'
import { findConnection, type NamedConnections } from './named-connections.ts'
import { type NatsConfig, toNatsConfig } from './nats-settings.ts'
import { namedConnections, redisTarget, tlsFiles } from './redis-settings.ts'
import type { ClusterChannels, RedisTarget, TlsFiles } from './redis-target.ts'
import { removedSettings, settingConflicts } from './setting-conflicts.ts'
import { type SiteConfig, toSiteConfig } from './site-settings.ts'
import { SettingsError } from './startup-error.ts'
import { type SubmitterAccess, toSubmitterAccess } from './submitter-settings.ts'
import { unknownSettings, withoutServiceLinks } from './unknown-settings.ts'

export type OwnerCheck = 'off' | 'actions' | 'all'

export interface Config {
  readonly production: boolean
  readonly redis: RedisTarget
  /** Timeouts and key prefixes of every connection of this installation. */
  readonly connections: {
    readonly keyPrefix: string
    readonly clusterChannels: ClusterChannels
    /** What seals the data of people in Redis (data-box.ts), the newest first; empty where they are stored as they are. */
    readonly dataKeys: readonly Buffer[]
    readonly connectTimeoutMs: number
    readonly commandTimeoutMs: number
    readonly keepAliveMs: number
    /** Of all addresses that begin with rediss://. */
    readonly tls: TlsFiles | undefined
  }
  /** Where servers receive updates from, and bridges carry them to; null for the channels of Redis. */
  readonly nats: NatsConfig | null
  readonly requestTtlSeconds: number
  /** How long running work may continue after a process received a signal to stop. */
  readonly drainSeconds: number
  readonly logLevel: string
  /** Where Prometheus reads the metrics of a process; nowhere where nothing is set. */
  readonly metrics: {
    readonly host: string
    /** The port of each kind of process. */
    readonly ports: { readonly [process in MeasuredProcess]: number | undefined }
    /** With which the server also answers on its own port. */
    readonly token: string | undefined
  }
  /** Whether requests are traced. Where the traces go is read by the SDK. */
  readonly isTraced: boolean
  readonly server: ServerLimits & {
    readonly host: string
    readonly port: number
    /** Origins, besides the server's own, whose pages may read and act. */
    readonly allowedOrigins: readonly string[]
    /** How many proxies are in front, or their addresses and networks: the client is the entry of X-Forwarded-For before these. */
    readonly trustProxy: number | string[]
    /** Of the pages, the default first. */
    readonly languages: readonly string[]
    /** Where catalogues of other languages than English and Persian are, as `de.json`. */
    readonly languagesFolder: string | undefined
    /** Whom people ask about a failed request: words, or a web, `mailto:` or `tel:` address. */
    readonly contact: string | undefined
    /** The operator's own look. */
    readonly site: SiteConfig
    /** How far ahead a request may be scheduled. */
    readonly maxDelaySeconds: number
    /** The most urgent priority that callers may request; 1 is the most urgent. */
    readonly topPriority: number
    /** What is restricted to the submitter: nothing, actions (code, resend, cancel), or reading as well. */
    readonly ownerCheck: OwnerCheck
    /** Whether a request that has ended may be kept longer. */
    readonly keepLonger: boolean
    /** The origin at which people reach the server; undefined for the one that each of them calls. */
    readonly publicUrl: string | undefined
    /** Further hosts at which programs call it, where publicUrl is set. */
    readonly allowedHosts: readonly string[]
    /** Of the operators' console; null where it is off. */
    readonly console: ConsoleAccess | null
    readonly submitters: SubmitterAccess
  }
  /** Notifications by push services, which browsers receive while no page is open. */
  readonly push: {
    readonly isOn: boolean
    /** Where a push service may reach the operator: a mailto: or https: address. */
    readonly contact: string
    /** The push services that are called (push-endpoint.ts). */
    readonly hosts: readonly string[]
  }
  readonly worker: { readonly concurrency: number }
  readonly bots: {
    readonly url: string
    readonly port: number
    readonly timeoutSeconds: number
    readonly token: string
    /** Tokens by the name of the bot, the newest first; that of LOCAL_API_TOKEN is `default`. */
    readonly tokens: ReadonlyMap<string, readonly string[]>
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
  const given = withoutServiceLinks(
    Object.fromEntries(
      Object.entries(env).filter(
        (one): one is [string, string] => one[1] !== undefined && one[1].trim() !== '',
      ),
    ),
  )
  // Existing .env files write an absent password as the word null.
  if (given.REDIS_PASSWORD === 'null') delete given.REDIS_PASSWORD
  const parsed = envSchema.safeParse(given)
  const invalid = parsed.error?.issues.map((issue) => `${issue.path[0]?.toString()}: ${issue.message}`) ?? []
  // An invalid setting still counts as set, so that it is reported once.
  const complaints = [
    ...removedSettings(given),
    ...unknownSettings(given, ENV_NAMES),
    ...invalid,
    ...settingConflicts(parsed.data ?? given),
  ]
  if (parsed.success) {
    const found = findConnection(namedConnections(parsed.data), parsed.data.CONCURRENCY_REDIS_CONNECTION)
    if (typeof found === 'string') complaints.push(`CONCURRENCY_REDIS_CONNECTION: ${found}`)
  }
  if (!parsed.success || complaints.length > 0) throw new SettingsError([...new Set(complaints)])
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
      clusterChannels: s.REDIS_CLUSTER_CHANNELS,
      dataKeys: s.DATA_KEY ?? [],
      connectTimeoutMs: s.REDIS_CONNECT_TIMEOUT_MS,
      commandTimeoutMs: s.REDIS_COMMAND_TIMEOUT_MS,
      keepAliveMs: s.REDIS_KEEP_ALIVE_MS,
      tls: tlsFiles(s),
    },
    nats: toNatsConfig(s),
    requestTtlSeconds: s.REQUEST_TTL,
    drainSeconds: s.DRAIN_SECONDS,
    logLevel: s.LOG_LEVEL,
    metrics: {
      host: s.METRICS_HOST,
      ports: { server: s.METRICS_PORT, workers: s.WORKER_METRICS_PORT, bots: s.BOT_METRICS_PORT },
      token: s.METRICS_TOKEN,
    },
    isTraced: s.OTEL_EXPORTER_OTLP_ENDPOINT !== undefined,
    server: {
      ...toLimits(s),
      host: s.HOST,
      port: s.PORT,
      allowedOrigins: s.ALLOWED_ORIGINS,
      trustProxy: s.TRUST_PROXY,
      languages: s.LANGUAGES,
      languagesFolder: s.LANGUAGES_FOLDER,
      contact: s.CONTACT,
      site: toSiteConfig(s),
      maxDelaySeconds: s.MAX_DELAY,
      topPriority: s.TOP_PRIORITY,
      ownerCheck: s.OWNER_CHECK,
      keepLonger: s.KEEP_LONGER === 'on',
      publicUrl: s.PUBLIC_URL,
      allowedHosts: s.ALLOWED_HOSTS,
      console: toConsoleAccess(s),
      submitters: toSubmitterAccess(s),
    },
    push: { isOn: s.PUSH === 'on', contact: s.PUSH_CONTACT, hosts: s.PUSH_HOSTS },
    worker: { concurrency: s.WORKER_CONCURRENCY },
    bots: {
      url: s.LOCAL_API_URL,
      port: s.LOCAL_API_PORT,
      timeoutSeconds: s.LOCAL_API_TIMEOUT,
      token: localToken,
      tokens: new Map([['default', [localToken]], ...Object.entries(s.BOT_TOKENS)]),
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
