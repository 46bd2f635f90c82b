/** Settings that exclude each other, need each other, or no longer exist. */
import { isAllowedAddress } from './bot-addresses.ts'
import { consoleConflicts } from './console-settings.ts'
import { isExampleKey } from './data-key-setting.ts'
import type { Env } from './env-schema.ts'
import { weakTokens } from './named-tokens.ts'
import { natsConflicts } from './nats-settings.ts'
import { checkRedisAddress, parseRedisAddress } from './redis-address.ts'
import type { RedisUser } from './redis-target.ts'
import { submitterConflicts } from './submitter-settings.ts'
import { findWeakness } from './token-strength.ts'

/** A removed setting that is silently ignored would mix the requests of two installations. */
export const removedSettings = ({ QUEUE_PREFIX }: Readonly<Record<string, string | undefined>>): string[] =>
  QUEUE_PREFIX === undefined
    ? []
    : ["QUEUE_PREFIX: no longer exists; set KEY_PREFIX, which comes before every key, BullMQ's included"]

/** Errors of settings that are each valid, but not together. */
export function settingConflicts(s: { [name in keyof Env]?: unknown }): string[] {
  const complaints: string[] = []
  const targets = [
    s.REDIS_URL && 'REDIS_URL',
    (s.REDIS_HOST || s.REDIS_PORT) && 'REDIS_HOST/REDIS_PORT',
    (s.REDIS_SENTINELS || s.REDIS_SENTINEL_NAME) && 'REDIS_SENTINELS',
    s.REDIS_CLUSTER_NODES && 'REDIS_CLUSTER_NODES',
  ].filter(Boolean)
  if (targets.length > 1) complaints.push(`${targets.join(', ')}: name one Redis, not several`)
  if (Boolean(s.REDIS_SENTINELS) !== Boolean(s.REDIS_SENTINEL_NAME)) {
    complaints.push('REDIS_SENTINELS and REDIS_SENTINEL_NAME: each needs the other')
  }
  if (s.REDIS_CLUSTER_NODES && Number(s.REDIS_DB))
    complaints.push('REDIS_DB: a Redis Cluster has only database 0')
  if (s.REDIS_CLUSTER_CHANNELS && s.REDIS_CLUSTER_CHANNELS !== 'plain' && !s.REDIS_CLUSTER_NODES)
    complaints.push('REDIS_CLUSTER_CHANNELS: only a Redis Cluster (REDIS_CLUSTER_NODES) has sharded channels')
  if (s.BOT_TOKEN && !s.HALFWAY_URL)
    complaints.push('BOT_TOKEN: has no effect without HALFWAY_URL, the server that the bot calls with it')
  complaints.push(
    ...ineffective(s, targets.length),
    ...accessConflicts(s),
    ...consoleConflicts(s),
    ...natsConflicts(s),
    ...submitterConflicts(s),
  )
  if (s.NODE_ENV === 'production') {
    complaints.push(...plainHttp(s))
    if (targets.length === 0 && !s.HALFWAY_URL) {
      complaints.push('REDIS_URL: required in production, where no Redis is started for you')
    }
    if (!s.LOCAL_API_TOKEN && !s.BOT_TOKEN)
      complaints.push('LOCAL_API_TOKEN: required in production, shared by workers and bots')
    if (Array.isArray(s.DATA_KEY) && s.DATA_KEY.some(isExampleKey))
      complaints.push('DATA_KEY: is the example; make one with: openssl rand -base64 32')
    complaints.push(...weakTokens('BOT_TOKENS', s.BOT_TOKENS))
    for (const name of ['LOCAL_API_TOKEN', 'BOT_TOKEN', 'METRICS_TOKEN'] as const) {
      const weakness = s[name] && findWeakness(String(s[name]))
      if (weakness) complaints.push(`${name}: ${weakness}; make one with: openssl rand -base64 32`)
    }
  }
  return complaints
}

/** Settings that the named Redis ignores: silently ignored, they would lead to another database than intended. */
function ineffective(s: { [name in keyof Env]?: unknown }, targetCount: number): string[] {
  const complaints: string[] = []
  const url = typeof s.REDIS_URL === 'string' ? s.REDIS_URL : null
  if (url !== null && checkRedisAddress(url) === null) {
    const { db = 0, username, password } = parseRedisAddress(url)
    if (s.REDIS_DB !== undefined && Number(s.REDIS_DB) !== db)
      complaints.push(
        'REDIS_DB: has no effect beside REDIS_URL, which names its own, as in redis://host:6379/1',
      )
    if (s.REDIS_PASSWORD !== undefined && s.REDIS_PASSWORD !== password)
      complaints.push(
        'REDIS_PASSWORD: has no effect beside REDIS_URL, which has its own, as in redis://:password@host',
      )
    if (s.REDIS_USERNAME !== undefined && s.REDIS_USERNAME !== username)
      complaints.push(
        'REDIS_USERNAME: has no effect beside REDIS_URL, which has its own, as in redis://user:password@host',
      )
  }
  if (targetCount === 0) {
    const given = [
      Number(s.REDIS_DB) && 'REDIS_DB',
      s.REDIS_USERNAME && 'REDIS_USERNAME',
      s.REDIS_PASSWORD && 'REDIS_PASSWORD',
    ]
    for (const name of given.filter(Boolean))
      complaints.push(`${name}: has no effect where no Redis is named; set REDIS_HOST, too`)
  }
  return complaints
}

/** Users, passwords and certificates that would not be used, or not as intended. */
function accessConflicts(s: { [name in keyof Env]?: unknown }): string[] {
  const complaints: string[] = []
  for (const [user, password] of [
    ['REDIS_USERNAME', 'REDIS_PASSWORD'],
    ['REDIS_SENTINEL_USERNAME', 'REDIS_SENTINEL_PASSWORD'],
  ] as const)
    if (s[user] !== undefined && s[password] === undefined && !s.REDIS_URL)
      complaints.push(`${user}: needs ${password}`)
  if (
    !s.REDIS_SENTINELS &&
    (s.REDIS_SENTINEL_USERNAME !== undefined || s.REDIS_SENTINEL_PASSWORD !== undefined)
  )
    complaints.push(
      'REDIS_SENTINEL_USERNAME and REDIS_SENTINEL_PASSWORD: have no effect without REDIS_SENTINELS',
    )
  for (const [name, user, password] of [
    ['REDIS_SENTINELS', 'REDIS_SENTINEL_USERNAME', 'REDIS_SENTINEL_PASSWORD'],
    ['REDIS_CLUSTER_NODES', 'REDIS_USERNAME', 'REDIS_PASSWORD'],
  ] as const) {
    const servers = s[name] as RedisUser | undefined
    const differs = (given: unknown, own?: string): boolean => given !== undefined && given !== own
    if (servers?.password && (differs(s[user], servers.username) || differs(s[password], servers.password)))
      complaints.push(
        `${user} and ${password}: have no effect beside the addresses of ${name}, which have their own`,
      )
  }
  if (Boolean(s.REDIS_TLS_CERT) !== Boolean(s.REDIS_TLS_KEY))
    complaints.push('REDIS_TLS_CERT and REDIS_TLS_KEY: each needs the other')
  const files = (['REDIS_TLS_CA', 'REDIS_TLS_CERT', 'REDIS_TLS_KEY'] as const).filter((name) => s[name])
  if (files.length > 0 && !namesTls(s))
    complaints.push(
      `${files.join(', ')}: no effect without an address that begins with rediss://, which is TLS`,
    )
  return complaints
}

const namesTls = (s: { [name in keyof Env]?: unknown }): boolean =>
  [s.REDIS_URL, s.REDIS_SENTINELS, s.REDIS_CLUSTER_NODES, s.REDIS_CONNECTIONS, s.CONCURRENCY_REDIS_CONNECTION]
    .flatMap((value) => (typeof value === 'object' && value !== null ? Object.values(value) : [value]))
    .some((value) => value === true || (typeof value === 'string' && /rediss:\/\//i.test(value)))

/** The token and what people typed would cross the network in the clear. */
function plainHttp({
  LOCAL_API_URL: url,
  PLAIN_HTTP_BOTS: allowed,
}: { [name in keyof Env]?: unknown }): string[] {
  if (typeof url !== 'string' || !URL.canParse(url) || !Array.isArray(allowed)) return []
  const { protocol, origin, hostname } = new URL(url)
  if (protocol !== 'http:' || isAllowedAddress(origin, ['loopback', ...allowed])) return []
  return [
    `LOCAL_API_URL: sends the token and what people typed to ${hostname} over plain http; use https://, or allow it by name with PLAIN_HTTP_BOTS=${hostname}`,
  ]
}
