/** The settings of Redis, and the Redis that they name. */
import { z } from 'zod'
import type { NamedConnections } from './named-connections.ts'
import { checkRedisAddress, parseRedisAddress } from './redis-address.ts'
import type { HostPort, RedisTarget, RedisUser, TlsFiles } from './redis-target.ts'
import { commaList, port } from './setting-forms.ts'

/** Several servers that have TLS, user and password in common. */
export interface Servers extends RedisUser {
  all: HostPort[]
  /** Undefined for none. */
  tls?: true
}

const milliseconds = (min: number) => z.coerce.number().int().min(min).max(600_000)

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

/** `host:port`, or `redis://` or `rediss://` addresses, with commas between. A comma in a password is written as %2C. */
const servers = commaList.transform((texts, context): Servers => {
  const parsed = texts.map(parseServer)
  const fault = parsed.find((one) => typeof one === 'string') ?? findDifference(parsed as Server[])
  if (fault !== undefined) {
    context.addIssue({ code: 'custom', message: fault as string })
    return z.NEVER
  }
  const all = parsed as Server[]
  const { username, password } = all.find((one) => one.password !== undefined) ?? {}
  const nodes = all.map(({ host, port }) => ({ host, port }))
  return { all: nodes, ...(all[0]?.tls && { tls: true }), username, password }
})

type Server = HostPort & RedisUser & { tls: boolean }

/** @returns what is wrong with it, as the end of a sentence that never repeats an address */
function parseServer(text: string): Server | string {
  const isAddress = text.includes('://')
  const fault = isAddress ? checkRedisAddress(text) : null
  if (fault !== null) return fault
  const address = isAddress ? parseRedisAddress(text) : null
  if (address && 'path' in address) return 'must be host:port, or redis:// or rediss:// addresses'
  if (address && address.db !== undefined) return 'must not name a database; REDIS_DB does'
  const hostPort = address ? new URL(text.trim()).host : text
  const [, host = '', digits] = /^([^\s:/@]+|\[[0-9a-f:]+\]):(\d{1,5})$/i.exec(hostPort) ?? []
  if (digits === undefined) return 'must be host:port, or addresses with a port such as rediss://host:6379'
  const number = port.safeParse(digits)
  if (!number.success) return 'must be host:port, with a port up to 65535'
  const { tls = false, username, password } = address ?? {}
  return { host: host.replace(/^\[|\]$/g, ''), port: number.data, tls, username, password }
}

function findDifference(all: readonly Server[]): string | undefined {
  if (all.length === 0) return 'must be host:port'
  if (new Set(all.map(({ tls }) => tls)).size > 1)
    return 'must be rediss:// addresses all, or none: TLS is for all of them'
  const users = all.filter((one) => one.password !== undefined)
  if (new Set(users.map(({ username, password }) => `${username}\n${password}`)).size > 1)
    return 'has several users or passwords; all servers must have the same'
  return undefined
}

export const redisSettings = {
  REDIS_URL: redisAddress.optional(),
  REDIS_HOST: z
    .string()
    .regex(/^[^\s/@]+$/, 'must be a host name or an IP address; a whole address is for REDIS_URL')
    .optional(),
  REDIS_PORT: port.optional(),
  REDIS_USERNAME: z.string().optional(),
  REDIS_PASSWORD: z.string().optional(),
  REDIS_DB: z.coerce.number().int().min(0).max(1_000_000).optional(),
  REDIS_SENTINELS: servers.optional(),
  REDIS_SENTINEL_NAME: z.string().optional(),
  REDIS_SENTINEL_USERNAME: z.string().optional(),
  REDIS_SENTINEL_PASSWORD: z.string().optional(),
  REDIS_CLUSTER_NODES: servers.optional(),
  REDIS_CLUSTER_CHANNELS: z.enum(['plain', 'both', 'sharded']).default('plain'),
  REDIS_TLS_CA: z.string().optional(),
  REDIS_TLS_CERT: z.string().optional(),
  REDIS_TLS_KEY: z.string().optional(),
  REDIS_CONNECT_TIMEOUT_MS: milliseconds(100).default(3000),
  REDIS_COMMAND_TIMEOUT_MS: milliseconds(50).default(700),
  REDIS_KEEP_ALIVE_MS: milliseconds(0).default(5000),
  REDIS_CONNECTIONS: redisConnections.default({}),
}

type RedisEnv = z.infer<z.ZodObject<typeof redisSettings>>

export function namedConnections(s: RedisEnv & { NODE_ENV: string }): NamedConnections {
  const others = Object.entries(s.REDIS_CONNECTIONS).map(([name, url]): [string, RedisTarget] => [
    name,
    { kind: 'single', url },
  ])
  return { default: redisTarget(s), ...Object.fromEntries(others) }
}

export function redisTarget(s: RedisEnv & { NODE_ENV: string }): RedisTarget {
  const user = { username: s.REDIS_USERNAME, password: s.REDIS_PASSWORD }
  const db = s.REDIS_DB ?? 0
  if (s.REDIS_URL) return { kind: 'single', url: s.REDIS_URL }
  if (s.REDIS_CLUSTER_NODES) {
    const { all, tls, username, password } = s.REDIS_CLUSTER_NODES
    return { kind: 'cluster', nodes: all, tls, ...(password === undefined ? user : { username, password }) }
  }
  if (s.REDIS_SENTINELS && s.REDIS_SENTINEL_NAME) {
    const { all, tls, username, password } = s.REDIS_SENTINELS
    return {
      kind: 'sentinel',
      sentinels: all,
      name: s.REDIS_SENTINEL_NAME,
      tls,
      sentinelUsername: username ?? s.REDIS_SENTINEL_USERNAME,
      sentinelPassword: password ?? s.REDIS_SENTINEL_PASSWORD,
      ...user,
      db,
    }
  }
  if (s.REDIS_HOST || s.REDIS_PORT)
    return { kind: 'single', host: s.REDIS_HOST ?? '127.0.0.1', port: s.REDIS_PORT ?? 6379, ...user, db }
  // A process of production that needs a Redis reports that there is none. Bots with HALFWAY_URL need none.
  return s.NODE_ENV === 'production'
    ? { kind: 'single', host: '127.0.0.1', port: 6379, ...user, db }
    : { kind: 'embedded' }
}

export const tlsFiles = (s: RedisEnv): TlsFiles | undefined =>
  s.REDIS_TLS_CA || s.REDIS_TLS_CERT || s.REDIS_TLS_KEY
    ? { ca: s.REDIS_TLS_CA, cert: s.REDIS_TLS_CERT, key: s.REDIS_TLS_KEY }
    : undefined
