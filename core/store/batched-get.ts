/** Reads strings, those that are asked for at once with one command. */
import { isUtf8 } from 'node:buffer'
import { Cluster } from 'ioredis'
import { createBatcher } from '../redis/batch.ts'
import type { RedisClient } from '../redis/connect.ts'

/** What stands for a value that is no string, here and in the scripts. */
export const WRONG_TYPE = 'WRONGTYPE'
/** Of other programs' commands none should wait for long. */
const MAX_BATCH = 100

/** The exact value: its text, or its bytes where these are no UTF-8. */
export type Value = string | Buffer

/** Null when there is nothing of this name; `WRONG_TYPE` when it is no string. */
export type GetValue = (key: string) => Promise<Value | null>

/** Stands in decoded text for every byte that is no UTF-8: such a text may not be what Redis has. */
const REPLACEMENT = '\ufffd'
export const mayBeInexact = (text: string): boolean => text.includes(REPLACEMENT)

export function createBatchedGet(redis: RedisClient): GetValue {
  const readExactly: GetValue = async (key) => {
    const bytes = await redis.getBuffer(key)
    return bytes && isUtf8(bytes) ? bytes.toString() : bytes
  }
  const readOne: GetValue = async (key) => {
    try {
      const text = await redis.get(key)
      return text !== null && mayBeInexact(text) ? await readExactly(key) : text
    } catch (error) {
      if (error instanceof Error && error.message.startsWith(WRONG_TYPE)) return WRONG_TYPE
      throw error
    }
  }
  // One command must not name keys of several nodes.
  if (redis instanceof Cluster) return readOne

  return createBatcher(MAX_BATCH, async (keys: readonly string[]) => {
    if (keys.length === 1) return keys.map(readOne)
    const values = await redis.mget(...keys)
    return keys.map((key, i) => {
      const text = values[i]
      // What is no string is none to MGET.
      return typeof text !== 'string' || mayBeInexact(text) ? readOne(key) : text
    })
  })
}
