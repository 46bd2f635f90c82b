/**
 * When somebody should look after a request, whoever was meant to may be dead by then. A hash in here is no more than
 * a reminder: what is due, the record says.
 */
import type { RequestRecord } from '../domain/record.ts'
import { isRequestHash } from '../domain/request-id.ts'
import { createBatcher } from '../redis/batch.ts'
import type { RedisClient } from '../redis/connect.ts'
import { takeDue } from '../redis/scripts.ts'
import { retryWithoutWrongTypes } from '../redis/wrong-type.ts'

/** When the rescuer checks a request first: early enough for a service with a short limit, and for a lost job. */
export const FIRST_CHECK_MS = 10_000
/** Milliseconds since 1970. */
export const firstCheckOf = ({ run_at, created_at }: Pick<RequestRecord, 'run_at' | 'created_at'>): number =>
  Date.parse(run_at ?? created_at) + FIRST_CHECK_MS

export interface DeadlineIndex {
  /** Reminds of this request at that time, milliseconds; a later call moves it. */
  schedule(hash: string, at: number): Promise<void>
  /** Reminds of those that nobody is reminded of. */
  scheduleMissing(hashes: readonly string[], at: number): Promise<void>
  remove(hash: string): Promise<void>
  /**
   * Hashes whose time has come, the oldest first. They are taken: nobody is reminded of them before `again`.
   * What is no hash is removed, by its bytes.
   */
  take(now: number, atMost: number, again: number): Promise<string[]>
  /** Every hash that somebody is reminded of. */
  all(): Promise<string[]>
}

const REMINDED_AT_ONCE = 250

export function createDeadlineIndex({ redis }: { redis: RedisClient }): DeadlineIndex {
  const key = redis.names.deadlines
  const onSet = <T>(work: () => Promise<T>): Promise<T> =>
    retryWithoutWrongTypes(redis, { [key]: 'zset' }, work)
  const schedule = createBatcher(
    REMINDED_AT_ONCE,
    async (reminders: readonly [at: number, hash: string][]) => {
      await onSet(() => redis.zadd(key, ...reminders.flat()))
      return reminders
    },
  )
  const remove = createBatcher(REMINDED_AT_ONCE, async (hashes: readonly string[]) => {
    await onSet(() => redis.zrem(key, ...hashes))
    return hashes
  })
  return {
    async schedule(hash, at) {
      await schedule([at, hash])
    },
    async scheduleMissing(hashes, at) {
      if (hashes.length > 0) await onSet(() => redis.zadd(key, 'NX', ...hashes.flatMap((hash) => [at, hash])))
    },
    async remove(hash) {
      await remove(hash)
    },
    async take(now, atMost, again) {
      const members = await onSet(() => takeDue(redis, { key, now, limit: atMost, nextAt: again }))
      const strange = members.filter((member) => !isRequestHash(member.toString()))
      if (strange.length > 0) await redis.zrem(key, ...strange)
      return members.map(String).filter(isRequestHash)
    },
    all: async () => (await onSet(() => redis.zrange(key, '0', '-1'))).filter(isRequestHash),
  }
}
