/**
 * The newest requests of each browser session, for the list that its home page shows. A hash is a hint: the record says
 * whether the request still exists, and whose it is.
 */
import type { RequestRecord } from '../domain/record.ts'
import { isRequestHash } from '../domain/request-id.ts'
import type { RedisClient } from '../redis/connect.ts'
import { addNewest } from '../redis/scripts.ts'
import { retryWithoutWrongTypes } from '../redis/wrong-type.ts'

export const MAX_LISTED = 20
/** How much longer than the first expiry of its newest request a list lives: that expiry is renewed, at the end at least. */
const MARGIN_MS = 26 * 3_600_000

export interface SessionRequests {
  /** Best effort: a request that is not listed runs all the same. Ignores those without a session. */
  add(record: Pick<RequestRecord, 'hash' | 'session_id' | 'created_at' | 'expires_at'>): Promise<void>
  /** Hashes, the newest first; some may have expired. */
  list(sessionId: string): Promise<string[]>
  remove(sessionId: string | null, hashes: readonly string[]): Promise<void>
}

export function createSessionRequests({
  redis,
  now = Date.now,
}: {
  redis: RedisClient
  now?: () => number
}): SessionRequests {
  const onKey = <T>(key: string, work: () => Promise<T>): Promise<T> =>
    retryWithoutWrongTypes(redis, { [key]: 'zset' }, work)
  return {
    async add({ hash, session_id, created_at, expires_at }) {
      if (session_id === null) return
      const key = redis.names.session(session_id)
      const entry = {
        key,
        score: Date.parse(created_at),
        member: hash,
        maxMembers: MAX_LISTED,
        ttlMs: Math.max(0, Date.parse(expires_at) - now()) + MARGIN_MS,
      }
      await onKey(key, () => addNewest(redis, entry)).catch(() => {})
    },
    async list(sessionId) {
      const key = redis.names.session(sessionId)
      return (await onKey(key, () => redis.zrevrange(key, 0, MAX_LISTED - 1))).filter(isRequestHash)
    },
    async remove(sessionId, hashes) {
      if (sessionId === null || hashes.length === 0) return
      const key = redis.names.session(sessionId)
      await onKey(key, () => redis.zrem(key, ...hashes))
    },
  }
}
