/**
 * Repairs own keys that another program has replaced by a value of another type. Every command on such a key fails, so it is
 * deleted and the work is repeated once.
 */
import type { RedisClient } from './connect.ts'

type KeyType = 'string' | 'list' | 'zset' | 'hash' | 'stream'

/** @param types the expected type of each key that `work` uses */
export async function retryWithoutWrongTypes<T>(
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
