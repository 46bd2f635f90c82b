/**
 * When the rescuer should check each request, because its worker may be dead by then. A scheduled check is a hint: the
 * record says what is due.
 */
import type { RequestRecord } from '../domain/record.ts'
import { isRequestHash } from '../domain/request-id.ts'
import { createBatcher } from '../redis/batch.ts'
import type { RedisClient } from '../redis/connect.ts'
import { takeDue } from '../redis/scripts.ts'
import { scanSortedSet } from '../redis/slices.ts'
import { retryWithoutWrongTypes } from '../redis/wrong-type.ts'

/** When the rescuer checks a request first: early enough for a service with a short limit, and for a lost job. */
export const FIRST_CHECK_MS = 10_000
/** Milliseconds since 1970. */
export const firstCheckOf = ({ run_at, created_at }: Pick<RequestRecord, 'run_at' | 'created_at'>): number =>
  Date.parse(run_at ?? created_at) + FIRST_CHECK_MS

export interface DeadlineIndex {
  /** Schedules the next check of a request, milliseconds since 1970. A later call moves it. */
  schedule(hash: string, at: number): Promise<void>
  /** Schedules a check of those requests that have none. */
  scheduleMissing(hashes: readonly string[], at: number): Promise<void>
  remove(hash: string): Promise<void>
  /**
   * Takes the hashes that are due, the oldest first; they are due again at `nextAt`. Members that are no hashes are removed,
   * by their bytes.
   */
  take(now: number, limit: number, nextAt: number): Promise<string[]>
  count(): Promise<number>
  /** Hashes by when they are checked next. */
  list(from: number, count: number): Promise<string[]>
  /** Every hash with a scheduled check, in slices and in no order; some may come twice. */
  scan(): AsyncIterable<string[]>
}

const MAX_BATCH = 250

/** @param key the sorted set: by default that of the rescuer */
export function createDeadlineIndex({
  redis,
  key = redis.names.deadlines,
}: {
  redis: RedisClient
  key?: string
}): DeadlineIndex {
  const onSet = <T>(work: () => Promise<T>): Promise<T> =>
    retryWithoutWrongTypes(redis, { [key]: 'zset' }, work)
  const schedule = createBatcher(MAX_BATCH, async (checks: readonly [at: number, hash: string][]) => {
    await onSet(() => redis.zadd(key, ...checks.flat()))
    return checks
  })
  const remove = createBatcher(MAX_BATCH, async (hashes: readonly string[]) => {
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
    async take(now, limit, nextAt) {
      const members = await onSet(() => takeDue(redis, { key, now, limit, nextAt }))
      const invalid = members.filter((member) => !isRequestHash(member.toString()))
      if (invalid.length > 0) await redis.zrem(key, ...invalid)
      return members.map(String).filter(isRequestHash)
    },
    count: () => onSet(() => redis.zcard(key)),
    list: async (from, count) =>
      (await onSet(() => redis.zrange(key, String(from), String(from + count - 1)))).filter(isRequestHash),
    async *scan() {
      await onSet(() => redis.zcard(key))
      for await (const slice of scanSortedSet(redis, key)) yield slice.filter(isRequestHash)
    },
  }
}
