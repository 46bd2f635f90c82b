/** Reads strings, those that are asked for at once with one command. */
import { Cluster } from 'ioredis'
import type { RedisClient } from './connect.ts'
import { gather } from './gather.ts'

/** What stands for a value that is no string, here and in the scripts. */
export const WRONG_TYPE = 'WRONGTYPE'
/** Of other programs' commands none should wait for long. */
const MOST_AT_ONCE = 100

/** Null when there is nothing of this name; `WRONG_TYPE` when it is no string. */
export type ReadValue = (key: string) => Promise<string | null>

export function createReadValue(redis: RedisClient): ReadValue {
  const readOne: ReadValue = async (key) => {
    try {
      return await redis.get(key)
    } catch (error) {
      if (error instanceof Error && error.message.startsWith(WRONG_TYPE)) return WRONG_TYPE
      throw error
    }
  }
  // One command must not name keys of several nodes.
  if (redis instanceof Cluster) return readOne

  return gather(MOST_AT_ONCE, async (keys: string[]) => {
    if (keys.length === 1) return keys.map(readOne)
    const values = await redis.mget(keys)
    // What is no string is none to MGET.
    return keys.map((key, i) => values[i] ?? readOne(key))
  })
}
