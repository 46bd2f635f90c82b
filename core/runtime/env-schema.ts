/** Every setting by its environment variable: format, limits, default. config.ts documents what they mean. */
import { isIP } from 'node:net'
import { z } from 'zod'
import { checkRedisAddress } from './redis-address.ts'

/** Where tasks run (core/tasks/). */
export const DRIVER_NAMES = ['sync', 'process', 'fork', 'redis'] as const
export type DriverName = (typeof DRIVER_NAMES)[number]

const port = z.coerce.number().int().min(1).max(65_535)
const seconds = (min: number, max: number) => z.coerce.number().int().min(min).max(max)
const milliseconds = (min: number) => z.coerce.number().int().min(min).max(600_000)
const count = (min: number, max = 1_000_000) => z.coerce.number().int().min(min).max(max)
const hostPort = z
  .string()
  .regex(/^[^\s:/@]+:\d{1,5}$|^\[[0-9a-f:]+\]:\d{1,5}$/i, 'must be host:port')
  .refine(
    (text) => port.safeParse(splitHostPort(text).port).success,
    'must be host:port, with a port up to 65535',
  )
const PROXY_NAMES = ['loopback', 'linklocal', 'uniquelocal']
const isProxy = (text: string): boolean => {
  const [address = '', prefix, ...rest] = text.split('/')
  const bits = { 0: 0, 4: 32, 6: 128 }[isIP(address)] as number
  const isPrefix = prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) <= bits)
  return PROXY_NAMES.includes(text) || (bits > 0 && isPrefix && rest.length === 0)
}
/** Comma-separated. */
const list = z.string().transform((text) =>
  text
    .split(',')
    .map((part) => part.trim())
    .filter(Boolean),
)
const hostPorts = list.pipe(z.array(hostPort).min(1)).transform((all) => all.map(splitHostPort))
const TRUST_PROXY_FORM =
  'must be a number up to 10, or comma-separated addresses and networks such as 10.0.0.0/8 or loopback'
const trustProxy = z.union(
  [
    z.string().regex(/^\d+$/).transform(Number).pipe(z.number().max(10)),
    list.refine((all) => all.length > 0 && all.every(isProxy), TRUST_PROXY_FORM),
  ],
  TRUST_PROXY_FORM,
)
const webUrl = z.url({ protocol: /^https?$/, error: 'must be an http or https address' })

/** Without user, password, query and hash, which would be ignored or cannot be sent. */
function isPlainAddress(text: string): boolean {
  if (!URL.canParse(text)) return false
  const { username, password, search, hash } = new URL(text)
  return `${username}${password}${search}${hash}` === ''
}
const origin = webUrl
  .refine(isPlainAddress, 'must have no user, password, query or #')
  .refine(
    (text) => URL.canParse(text) && new URL(text).pathname === '/',
    'must end after host and port: an origin has no path',
  )
  .transform((text) => new URL(text).origin)
const redisAddress = z.string().superRefine((text, context) => {
  const fault = checkRedisAddress(text)
  if (fault !== null) context.addIssue({ code: 'custom', message: fault })
})

/** `name=address` with commas between, as an object. A comma in a password is written as %2C. */
const redisConnections = z.string().transform((text, context) => {
  const named: Record<string, string> = {}
  for (const part of text
    .split(',')
    .map((one) => one.trim())
    .filter(Boolean)) {
    const [, name, address = ''] = /^([\w-]+)=(.*)$/.exec(part) ?? []
    const fault =
      name === undefined ? 'must be name=redis://…, with commas between' : checkRedisAddress(address)
    if (fault !== null || name === 'default' || name === undefined) {
      const message =
        name === 'default'
          ? 'must not name "default", which is the Redis of Halfway'
          : `${name ?? ''} ${fault}`
      context.addIssue({ code: 'custom', message: message.trim() })
      return z.NEVER
    }
    named[name] = address
  }
  return named
})

function splitHostPort(text: string): { host: string; port: number } {
  const at = text.lastIndexOf(':')
  return { host: text.slice(0, at).replace(/^\[|\]$/g, ''), port: Number(text.slice(at + 1)) }
}

const token = z
  .string()
  .min(16, 'must have at least 16 characters')
  .regex(/^[\x21-\x7e]*$/, 'must be ASCII characters without spaces and line breaks: it is sent in a header')

/** `name:token` with commas between, as an object. */
const botTokens = z.string().transform((text, context) => {
  const named: Record<string, string> = {}
  for (const part of text.split(',').map((one) => one.trim())) {
    const [, name, value = ''] = /^([\w-]{1,64}):(.*)$/.exec(part) ?? []
    const fault =
      name === undefined ? 'must be name:token, with commas between'
      : name === 'default' ? 'must not name "default", which is the name of LOCAL_API_TOKEN'
      : Object.hasOwn(named, name) ? `${name} is there twice`
      : token.safeParse(value).error?.issues[0]?.message // biome-ignore format: a table
    if (fault !== undefined || name === undefined) {
      context.addIssue({ code: 'custom', message: fault ?? '' })
      return z.NEVER
    }
    named[name] = value
  }
  return named
})

/** A host name, an address or a network; `loopback` for this machine. */
const botHost = z
  .string()
  .refine(
    (text) => isProxy(text) || /^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/i.test(text),
    'must be host names, addresses and networks such as bots.example.com or 10.0.0.0/8, or loopback',
  )

export const envSchema = z.object({
  NODE_ENV: z.enum(['development', 'test', 'production']).default('development'),
  PORT: port.default(3000),
  HOST: z.string().default('0.0.0.0'),
  REDIS_URL: redisAddress.optional(),
  REDIS_HOST: z
    .string()
    .regex(/^[^\s/@]+$/, 'must be a host name or an IP address; a whole address is for REDIS_URL')
    .optional(),
  REDIS_PORT: port.optional(),
  REDIS_PASSWORD: z.string().optional(),
  REDIS_DB: z.coerce.number().int().min(0).max(1_000_000).optional(),
  REDIS_SENTINELS: hostPorts.optional(),
  REDIS_SENTINEL_NAME: z.string().optional(),
  REDIS_CLUSTER_NODES: hostPorts.optional(),
  REDIS_CONNECT_TIMEOUT_MS: milliseconds(100).default(3000),
  REDIS_COMMAND_TIMEOUT_MS: milliseconds(50).default(700),
  REDIS_KEEP_ALIVE_MS: milliseconds(0).default(5000),
  REDIS_CONNECTIONS: redisConnections.default({}),
  KEY_PREFIX: z
    .string()
    .regex(/^[A-Za-z0-9_.:-]{1,64}$/, 'letters, digits, dot, dash, colon and underscore, 64 at most')
    .default(''),
  LOCAL_API_URL: webUrl
    .refine(isPlainAddress, 'must have no user, password, query or #')
    .default('http://127.0.0.1:9999'),
  LOCAL_API_PORT: port.default(9999),
  LOCAL_API_TIMEOUT: seconds(1, 300).default(180),
  LOCAL_API_TOKEN: token.optional(),
  BOT_TOKENS: botTokens.default({}),
  BOT_ADDRESSES: list.pipe(z.array(botHost).min(1)).default(['loopback']),
  BOT_HOST: z.string().default('127.0.0.1'),
  BOT_ADDRESS: webUrl.refine(isPlainAddress, 'must have no user, password, query or #').optional(),
  BOT_CONCURRENCY: count(1, 10_000).default(100),
  HALFWAY_URL: webUrl.refine(isPlainAddress, 'must have no user, password, query or #').optional(),
  BOT_TOKEN: token.optional(),
  WORKER_CONCURRENCY: z.coerce.number().int().min(1).max(1000).default(10),
  DRAIN_SECONDS: seconds(0, 3600).default(30),
  REQUEST_TTL: seconds(1, 86_400).default(1800),
  LOG_LEVEL: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']).default('info'),
  ALLOWED_ORIGINS: list.pipe(z.array(origin)).default([]),
  TRUST_PROXY: trustProxy.default(0),
  SUBMITS_PER_MINUTE: count(1, Number.MAX_SAFE_INTEGER).default(60),
  BATCHES_PER_MINUTE: count(1, Number.MAX_SAFE_INTEGER).default(20),
  ACTIONS_PER_MINUTE: count(1, Number.MAX_SAFE_INTEGER).default(60),
  SUBJECT_CODES_PER_HOUR: count(1, Number.MAX_SAFE_INTEGER).default(5),
  SUBJECT_WRONG_CODES_PER_HOUR: count(1, Number.MAX_SAFE_INTEGER).default(10),
  MAX_UNFINISHED_PER_SUBMITTER: count(1, Number.MAX_SAFE_INTEGER).default(1_000),
  MAX_UNFINISHED_PER_QUEUE: count(1, Number.MAX_SAFE_INTEGER).default(10_000),
  MAX_UNFINISHED: count(1, Number.MAX_SAFE_INTEGER).default(20_000),
  LANGUAGES: list
    .pipe(
      z.array(z.string().regex(/^[a-z]{2,3}(-[a-z0-9]{2,8})*$/, 'must be languages such as en,fa')).min(1),
    )
    .default(['en', 'fa']),
  LANGUAGES_FOLDER: z.string().optional(),
  MAX_DELAY: seconds(0, 14 * 86_400).default(86_400),
  TOP_PRIORITY: count(1, 10).default(5),
  OWNER_CHECK: z.enum(['off', 'actions', 'all']).default('off'),
  CONCURRENCY_DRIVER: z.enum(DRIVER_NAMES).default('process'),
  CONCURRENCY_POOL_SIZE: count(1, 1000).default(8),
  CONCURRENCY_REDIS_CONNECTION: z.string().default('default'),
  CONCURRENCY_REDIS_PREFIX: z
    .string()
    .regex(/^[A-Za-z0-9_.:-]{1,64}$/, 'letters, digits, dot, dash, colon and underscore, 64 at most')
    .optional(),
})

/** The names of all settings, for the test that compares them with the documents. */
export const ENV_NAMES = Object.keys(envSchema.shape)

export type Env = z.infer<typeof envSchema>
