/** Every setting by its environment variable: format, limits, default. config.ts documents what they mean. */
import { isIP } from 'node:net'
import { z } from 'zod'
import { consoleSettings } from './console-settings.ts'
import { dataKeys } from './data-key-setting.ts'
import { limitSettings } from './limit-settings.ts'
import { namedTokens, token } from './named-tokens.ts'
import { natsSettings } from './nats-settings.ts'
import { redisSettings } from './redis-settings.ts'
import { commaList, port } from './setting-forms.ts'
import { siteSettings } from './site-settings.ts'
import { submitterSettings } from './submitter-settings.ts'

/** Where tasks run (core/tasks/). */
export const DRIVER_NAMES = ['sync', 'process', 'fork', 'redis'] as const
export type DriverName = (typeof DRIVER_NAMES)[number]

const seconds = (min: number, max: number) => z.coerce.number().int().min(min).max(max)
const count = (min: number, max = 1_000_000) => z.coerce.number().int().min(min).max(max)
const PROXY_NAMES = ['loopback', 'linklocal', 'uniquelocal']
const isProxy = (text: string): boolean => {
  const [address = '', prefix, ...rest] = text.split('/')
  const bits = { 0: 0, 4: 32, 6: 128 }[isIP(address)] as number
  const isPrefix = prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) <= bits)
  return PROXY_NAMES.includes(text) || (bits > 0 && isPrefix && rest.length === 0)
}
const TRUST_PROXY_FORM =
  'must be a number up to 10, or comma-separated addresses and networks such as 10.0.0.0/8 or loopback'
const trustProxy = z.union(
  [
    z.string().regex(/^\d+$/).transform(Number).pipe(z.number().max(10)),
    commaList.refine((all) => all.length > 0 && all.every(isProxy), TRUST_PROXY_FORM),
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
/** As a Host header names it. */
const calledHost = z
  .string()
  .toLowerCase()
  .refine(
    (text) => text === '*' || (URL.canParse(`http://${text}`) && new URL(`http://${text}`).host === text),
    'must be host names as clients call them, with the port unless it is 80 or 443, such as halfway:3000; or *',
  )
const botTokens = namedTokens({
  name: 'default',
  why: 'must not name "default", which is the name of LOCAL_API_TOKEN',
})

/** A host name, an address or a network; `loopback` for this machine. */
const botHost = z
  .string()
  .refine(
    (text) => isProxy(text) || /^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/i.test(text),
    'must be host names, addresses and networks such as bots.example.com or 10.0.0.0/8, or loopback',
  )

/** The push services of Chrome and other Chromium browsers, Firefox, Safari and Edge. */
const PUSH_SERVICES = [
  'fcm.googleapis.com',
  '*.push.services.mozilla.com',
  '*.push.apple.com',
  '*.notify.windows.com',
]
const pushHost = z
  .string()
  .refine(
    (text) => /^(\*\.)?[a-z0-9-]+(\.[a-z0-9-]+)+$/.test(text) || origin.safeParse(text).data === text,
    'must be host names such as push.example.com or *.example.com, or origins such as http://10.0.0.7:8080',
  )

export const envSchema = z.object({
  NODE_ENV: z.enum(['development', 'test', 'production']).default('development'),
  PORT: port.default(3000),
  HOST: z.string().default('0.0.0.0'),
  ...redisSettings,
  ...natsSettings,
  KEY_PREFIX: z
    .string()
    .regex(/^[A-Za-z0-9_.:-]{1,64}$/, 'letters, digits, dot, dash, colon and underscore, 64 at most')
    .default(''),
  DATA_KEY: dataKeys.optional(),
  LOCAL_API_URL: webUrl
    .refine(isPlainAddress, 'must have no user, password, query or #')
    .default('http://127.0.0.1:9999'),
  LOCAL_API_PORT: port.default(9999),
  LOCAL_API_TIMEOUT: seconds(1, 300).default(180),
  LOCAL_API_TOKEN: token.optional(),
  BOT_TOKENS: botTokens.default({}),
  BOT_ADDRESSES: commaList.pipe(z.array(botHost).min(1)).default(['loopback']),
  PLAIN_HTTP_BOTS: commaList.pipe(z.array(botHost)).default([]),
  BOT_HOST: z.string().default('127.0.0.1'),
  BOT_ADDRESS: webUrl.refine(isPlainAddress, 'must have no user, password, query or #').optional(),
  BOT_CONCURRENCY: count(1, 10_000).default(100),
  HALFWAY_URL: webUrl.refine(isPlainAddress, 'must have no user, password, query or #').optional(),
  BOT_TOKEN: token.optional(),
  WORKER_CONCURRENCY: z.coerce.number().int().min(1).max(1000).default(10),
  DRAIN_SECONDS: seconds(0, 3600).default(30),
  REQUEST_TTL: seconds(1, 86_400).default(1800),
  METRICS_PORT: port.optional(),
  WORKER_METRICS_PORT: port.optional(),
  BOT_METRICS_PORT: port.optional(),
  METRICS_HOST: z.string().default('127.0.0.1'),
  METRICS_TOKEN: token.optional(),
  OTEL_EXPORTER_OTLP_ENDPOINT: webUrl.optional(),
  LOG_LEVEL: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']).default('info'),
  ALLOWED_ORIGINS: commaList.pipe(z.array(origin)).default([]),
  TRUST_PROXY: trustProxy.default(0),
  ...limitSettings,
  LANGUAGES: commaList
    .pipe(
      z.array(z.string().regex(/^[a-z]{2,3}(-[a-z0-9]{2,8})*$/, 'must be languages such as en,fa')).min(1),
    )
    .default(['en', 'fa']),
  LANGUAGES_FOLDER: z.string().optional(),
  PUSH: z.enum(['on', 'off']).default('on'),
  PUSH_CONTACT: z
    .url({ protocol: /^(https|mailto)$/, error: 'must be a mailto: or https: address' })
    .default('mailto:webmaster@example.com'),
  PUSH_HOSTS: commaList.pipe(z.array(pushHost).min(1)).default(PUSH_SERVICES),
  CONTACT: z.string().trim().max(200).optional(),
  ...siteSettings,
  MAX_DELAY: seconds(0, 14 * 86_400).default(86_400),
  TOP_PRIORITY: count(1, 10).default(5),
  OWNER_CHECK: z.enum(['off', 'actions', 'all']).default('off'),
  KEEP_LONGER: z.enum(['off', 'on']).default('off'),
  PUBLIC_URL: origin.optional(),
  ALLOWED_HOSTS: commaList.pipe(z.array(calledHost)).default([]),
  ...consoleSettings,
  ...submitterSettings,
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
