/** Settings that exclude each other, need each other, or no longer exist. */
import type { Env } from './env-schema.ts'
import { checkRedisAddress, parseRedisAddress } from './redis-address.ts'
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
  if (s.BOT_TOKEN && !s.HALFWAY_URL)
    complaints.push('BOT_TOKEN: has no effect without HALFWAY_URL, the server that the bot calls with it')
  complaints.push(...ineffective(s, targets.length))
  if (s.NODE_ENV === 'production') {
    if (targets.length === 0 && !s.HALFWAY_URL) {
      complaints.push('REDIS_URL: required in production, where no Redis is started for you')
    }
    if (!s.LOCAL_API_TOKEN && !s.BOT_TOKEN)
      complaints.push('LOCAL_API_TOKEN: required in production, shared by workers and bots')
    complaints.push(...weakBotTokens(s.BOT_TOKENS))
    for (const name of ['LOCAL_API_TOKEN', 'BOT_TOKEN'] as const) {
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
    const { db = 0, password } = parseRedisAddress(url)
    if (s.REDIS_DB !== undefined && Number(s.REDIS_DB) !== db)
      complaints.push(
        'REDIS_DB: has no effect beside REDIS_URL, which names its own, as in redis://host:6379/1',
      )
    if (s.REDIS_PASSWORD !== undefined && s.REDIS_PASSWORD !== password)
      complaints.push(
        'REDIS_PASSWORD: has no effect beside REDIS_URL, which has its own, as in redis://:password@host',
      )
  }
  if (targetCount === 0) {
    for (const name of [Number(s.REDIS_DB) && 'REDIS_DB', s.REDIS_PASSWORD && 'REDIS_PASSWORD'].filter(
      Boolean,
    ))
      complaints.push(`${name}: has no effect where no Redis is named; set REDIS_HOST, too`)
  }
  return complaints
}

/** @param tokens by name; text where they are no valid list */
function weakBotTokens(tokens: unknown): string[] {
  if (typeof tokens !== 'object' || tokens === null) return []
  return Object.entries(tokens).flatMap(([name, token]) => {
    const weakness = findWeakness(String(token))
    return weakness ? [`BOT_TOKENS: ${name}: ${weakness}; make one with: openssl rand -base64 32`] : []
  })
}
