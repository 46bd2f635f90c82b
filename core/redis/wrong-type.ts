/**
 * Keys of ours that another program has replaced by a value of another type hold nothing of use, and every command on
 * them fails until they are gone. They are deleted, and the work is done once more.
 */
import type { RedisClient } from './connect.ts'

type KeyType = 'string' | 'list' | 'zset' | 'hash'

/** @param types of the keys that `work` uses; what has no type of these, or the right one, is left alone */
export async function replacingWrongTypes<T>(
  redis: RedisClient,
  types: Readonly<Record<string, KeyType>>,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof Error && error.message.includes('WRONGTYPE'))) throw error
    for (const [key, type] of Object.entries(types)) {
      const present = await redis.type(key)
      if (present !== type && present !== 'none') await redis.del(key)
    }
    return work()
  }
}
