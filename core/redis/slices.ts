/** Reads of long lists and sorted sets in slices, so that no answer keeps Redis or this process from others for long. */
import type { RedisClient } from './connect.ts'

export const SLICE = 1_000

/** All elements of a list. One that is added or removed meanwhile may be missed, or come twice. */
export async function* sliceList(redis: RedisClient, key: string): AsyncGenerator<string[]> {
  for (let from = 0; ; from += SLICE) {
    const slice = await redis.lrange(key, from, from + SLICE - 1)
    yield slice
    if (slice.length < SLICE) return
  }
}

/** All members of a sorted set, in no order. Only one that is added or removed meanwhile may be missed; any may come twice. */
export async function* scanSortedSet(redis: RedisClient, key: string): AsyncGenerator<string[]> {
  let cursor = '0'
  do {
    const [next, found] = await redis.zscan(key, cursor, 'COUNT', SLICE)
    yield found.filter((_, i) => i % 2 === 0)
    cursor = next
  } while (cursor !== '0')
}
