/**
 * Every setting, in one place: read once, checked at once, every complaint in one message. `.env.example` lists the
 * same names (a test ties them).
 */
import { z } from 'zod'
import { StartError } from './errors.ts'

const port = z.coerce.number().int().min(1).max(65_535)
const seconds = (min: number, max: number) => z.coerce.number().int().min(min).max(max)
const flag = z.enum(['true', 'false', '1', '0']).transform((text) => text === 'true' || text === '1')
const hostPort = z
  .string()
  .regex(/^[^\s:]+:\d{1,5}$|^\[[0-9a-f:]+\]:\d{1,5}$/i, 'must be host:port')
  .refine(
    (text) => port.safeParse(splitHostPort(text).port).success,
    'must be host:port, with a port up to 65535',
  )
const hostPorts = z
  .string()
  .transform((text) =>
    text
      .split(',')
      .map((part) => part.trim())
      .filter(Boolean),
  )
  .pipe(z.array(hostPort).min(1))
  .transform((list) => list.map(splitHostPort))
const webUrl = z.url({ protocol: /^https?$/, error: 'must be an http or https address' })

function isRedisUrl(text: string): boolean {
  if (!/^(rediss?|unix):\/\//.test(text) || !URL.canParse(text)) return false
  const { protocol, hostname, pathname } = new URL(text)
  return protocol === 'unix:' ? pathname.length > 1 : hostname !== ''
}

function splitHostPort(text: string): { host: string; port: number } {
  const at = text.lastIndexOf(':')
  return { host: text.slice(0, at).replace(/^\[|\]$/g, ''), port: Number(text.slice(at + 1)) }
}

const settings = z.object({
  NODE_ENV: z.enum(['development', 'test', 'production']).default('development'),
  PORT: port.default(3000),
  HOST: z.string().default('0.0.0.0'),
  REDIS_URL: z
    .string()
    .refine(isRedisUrl, 'must be an address that begins with redis://, rediss:// or unix://')
    .optional(),
  REDIS_HOST: z.string().optional(),
  REDIS_PORT: port.optional(),
  REDIS_PASSWORD: z.string().optional(),
  REDIS_DB: z.coerce.number().int().min(0).max(1_000_000).optional(),
  REDIS_SENTINELS: hostPorts.optional(),
  REDIS_SENTINEL_NAME: z.string().optional(),
  REDIS_CLUSTER_NODES: hostPorts.optional(),
  QUEUE_PREFIX: z
    .string()
    .regex(/^[A-Za-z0-9_.-]{1,64}$/, 'letters, digits, dot, dash and underscore, 64 at most')
    .default('halfway'),
  LOCAL_API_URL: webUrl.default('http://127.0.0.1:9999'),
  LOCAL_API_PORT: port.default(9999),
  LOCAL_API_TIMEOUT: seconds(1, 300).default(180),
  LOCAL_API_TOKEN: z.string().min(16, 'must have at least 16 characters').optional(),
  WORKER_CONCURRENCY: z.coerce.number().int().min(1).max(1000).default(10),
  DRAIN_SECONDS: seconds(0, 3600).default(30),
  REQUEST_TTL: seconds(1, 86_400).default(1800),
  LOG_LEVEL: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']).default('info'),
  ALLOWED_ORIGINS: z
    .string()
    .transform((text) =>
      text
        .split(',')
        .map((part) => part.trim())
        .filter(Boolean),
    )
    .pipe(z.array(webUrl.transform((text) => new URL(text).origin)))
    .default([]),
  TRUST_PROXY: z.coerce.number().int().min(0).max(10).default(0),
  SUBMITS_PER_MINUTE: z.coerce.number().int().min(1).default(60),
  ACTIONS_PER_MINUTE: z.coerce.number().int().min(1).default(60),
  OWNER_CHECK: z.enum(['off', 'actions', 'all']).default('off'),
  DEMO_PORTAL_PORT: port.default(9998),
  DEMO_PORTAL_SPEED: z.coerce.number().min(0.1).max(10_000).default(1),
  LINK_CHECK_ALLOW_PRIVATE: flag.default(false),
})

/** The names of all settings, for the test that ties them to the documents. */
export const SETTING_NAMES = Object.keys(settings.shape)

/** Which Redis, as the settings name it; `embedded` when they name none. */
export type RedisTarget =
  | { kind: 'single'; url: string }
  | { kind: 'single'; host: string; port: number; password?: string; db: number }
  | {
      kind: 'sentinel'
      sentinels: { host: string; port: number }[]
      name: string
      password?: string
      db: number
    }
  | { kind: 'cluster'; nodes: { host: string; port: number }[]; password?: string }
  | { kind: 'embedded' }

export type OwnerCheck = 'off' | 'actions' | 'all'

export interface Config {
  readonly production: boolean
  readonly redis: RedisTarget
  readonly queuePrefix: string
  readonly requestTtlSeconds: number
  /** How long what is running may go on after a process was told to stop. */
  readonly drainSeconds: number
  readonly logLevel: string
  readonly server: {
    readonly host: string
    readonly port: number
    /** Whose pages may read and act besides the server's own, as any program may. */
    readonly allowedOrigins: readonly string[]
    /** How many proxies stand in front: the client's address is that many steps back in X-Forwarded-For. */
    readonly trustProxy: number
    readonly submitsPerMinute: number
    readonly actionsPerMinute: number
    /** What only the submitter may do: nothing, act (code, resend, cancel), or read as well. */
    readonly ownerCheck: OwnerCheck
  }
  readonly worker: { readonly concurrency: number }
  readonly bots: {
    readonly url: string
    readonly port: number
    readonly timeoutSeconds: number
    readonly token: string
  }
  readonly demoPortal: { readonly port: number; readonly speed: number }
  readonly linkCheck: { readonly allowPrivate: boolean }
}

/** Only ever used outside production, where worker and bots meet on the loopback address. */
const DEVELOPMENT_TOKEN = 'local-development-only'

/** @throws StartError naming every setting that is wrong */
export function loadConfig(env: Readonly<Record<string, string | undefined>>): Config {
  const given = Object.fromEntries(
    Object.entries(env).filter(([, value]) => value !== undefined && value.trim() !== ''),
  )
  // The seed's .env files write an absent password as the word null.
  if (given.REDIS_PASSWORD === 'null') delete given.REDIS_PASSWORD
  const parsed = settings.safeParse(given)
  const wrong = parsed.error?.issues.map((issue) => `${issue.path[0]?.toString()}: ${issue.message}`) ?? []
  // A setting that is wrong by itself still counts as set: it is complained of once.
  const complaints = [...wrong, ...together(parsed.data ?? given)]
  if (!parsed.success || complaints.length > 0) {
    throw new StartError(
      `The settings are not right:\n${[...new Set(complaints)].map((c) => `  - ${c}`).join('\n')}`,
    )
  }
  return deepFreeze(arrange(parsed.data))
}

type Settings = z.infer<typeof settings>

/** What only two settings together can get wrong. */
function together(s: { [name in keyof Settings]?: unknown }): string[] {
  const complaints: string[] = []
  const ways = [
    s.REDIS_URL && 'REDIS_URL',
    (s.REDIS_HOST || s.REDIS_PORT) && 'REDIS_HOST/REDIS_PORT',
    (s.REDIS_SENTINELS || s.REDIS_SENTINEL_NAME) && 'REDIS_SENTINELS',
    s.REDIS_CLUSTER_NODES && 'REDIS_CLUSTER_NODES',
  ].filter(Boolean)
  if (ways.length > 1) complaints.push(`${ways.join(', ')}: name one Redis, not several`)
  if (Boolean(s.REDIS_SENTINELS) !== Boolean(s.REDIS_SENTINEL_NAME)) {
    complaints.push('REDIS_SENTINELS and REDIS_SENTINEL_NAME: each needs the other')
  }
  if (s.REDIS_CLUSTER_NODES && Number(s.REDIS_DB))
    complaints.push('REDIS_DB: a Redis Cluster has only database 0')
  if (s.NODE_ENV === 'production') {
    if (ways.length === 0) {
      complaints.push('REDIS_URL: production needs a Redis of its own; nothing is started for you there')
    }
    if (!s.LOCAL_API_TOKEN)
      complaints.push('LOCAL_API_TOKEN: production needs one, shared by workers and bots')
  }
  return complaints
}

function arrange(s: Settings): Config {
  return {
    production: s.NODE_ENV === 'production',
    redis: redisTarget(s),
    // In a Cluster all keys of a queue must lie in one slot: the braces see to that.
    queuePrefix: s.REDIS_CLUSTER_NODES ? `{${s.QUEUE_PREFIX}}` : s.QUEUE_PREFIX,
    requestTtlSeconds: s.REQUEST_TTL,
    drainSeconds: s.DRAIN_SECONDS,
    logLevel: s.LOG_LEVEL,
    server: {
      host: s.HOST,
      port: s.PORT,
      allowedOrigins: s.ALLOWED_ORIGINS,
      trustProxy: s.TRUST_PROXY,
      submitsPerMinute: s.SUBMITS_PER_MINUTE,
      actionsPerMinute: s.ACTIONS_PER_MINUTE,
      ownerCheck: s.OWNER_CHECK,
    },
    worker: { concurrency: s.WORKER_CONCURRENCY },
    bots: {
      url: s.LOCAL_API_URL,
      port: s.LOCAL_API_PORT,
      timeoutSeconds: s.LOCAL_API_TIMEOUT,
      token: s.LOCAL_API_TOKEN ?? DEVELOPMENT_TOKEN,
    },
    demoPortal: { port: s.DEMO_PORTAL_PORT, speed: s.DEMO_PORTAL_SPEED },
    linkCheck: { allowPrivate: s.LINK_CHECK_ALLOW_PRIVATE },
  }
}

function redisTarget(s: Settings): RedisTarget {
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
  return { kind: 'embedded' }
}

function deepFreeze<T extends object>(value: T): T {
  for (const part of Object.values(value)) if (part && typeof part === 'object') deepFreeze(part)
  return Object.freeze(value)
}
