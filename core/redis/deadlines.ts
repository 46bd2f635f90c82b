/**
 * When somebody should look after a request, whoever was meant to may be dead by then. A hash in here is no more than
 * a reminder: what is due, the record says.
 */
import type { RedisClient } from './connect.ts'
import { gather } from './gather.ts'

export interface Deadlines {
  /** Reminds of this request at that time, milliseconds; a later call moves it. */
  remind(hash: string, at: number): Promise<void>
  /** Reminds of those that nobody is reminded of. */
  remindOfForgotten(hashes: readonly string[], at: number): Promise<void>
  forget(hash: string): Promise<void>
  /** Hashes whose time has come, the oldest first. */
  due(now: number, atMost: number): Promise<string[]>
  /** Every hash that somebody is reminded of. */
  all(): Promise<string[]>
}

const REMINDED_AT_ONCE = 250

export function createDeadlines({ redis }: { redis: RedisClient }): Deadlines {
  const remind = gather(REMINDED_AT_ONCE, async (reminders: [at: number, hash: string][]) => {
    await redis.zadd(redis.names.deadlines, ...reminders.flat())
    return reminders
  })
  return {
    async remind(hash, at) {
      await remind([at, hash])
    },
    async remindOfForgotten(hashes, at) {
      if (hashes.length > 0)
        await redis.zadd(redis.names.deadlines, 'NX', ...hashes.flatMap((hash) => [at, hash]))
    },
    async forget(hash) {
      await redis.zrem(redis.names.deadlines, hash)
    },
    due: (now, atMost) => redis.zrangebyscore(redis.names.deadlines, '-inf', now, 'LIMIT', 0, atMost),
    all: () => redis.zrange(redis.names.deadlines, '0', '-1'),
  }
}
