/** Reads strings, those of one event-loop tick with one command. */
import { isUtf8 } from 'node:buffer'
import { Cluster } from 'ioredis'
import { createBatcher } from '../redis/batch.ts'
import type { RedisClient } from '../redis/connect.ts'

/** Stands for a value that is no string, here and in the scripts. */
export const WRONG_TYPE = 'WRONGTYPE'
/** Keeps the command short for the other clients of Redis. */
const MAX_BATCH = 100

/** The exact value: text, or bytes when it is not UTF-8. */
export type Value = string | Buffer

/**
 * Null when the key does not exist; `WRONG_TYPE` when it is no string.
 *
 * @param key
 * @param isOptional the key usually does not exist, and a value that is no string counts as none: read without a check
 */
export type GetValue = (key: string, isOptional?: boolean) => Promise<Value | null>

/** Replaces every byte that is not UTF-8, so a text with it may differ from the value in Redis. */
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
  // In a Cluster one command must not name keys of several slots.
  if (redis instanceof Cluster) return readOne

  const read = createBatcher(MAX_BATCH, async (keys: readonly { key: string; isOptional: boolean }[]) => {
    if (keys.length === 1) return keys.map(({ key }) => readOne(key))
    const values = await redis.mget(...keys.map(({ key }) => key))
    return keys.map(({ key, isOptional }, i) => {
      const text = values[i] ?? null
      if (isOptional && text === null) return null
      // MGET returns null for a value that is no string.
      return text === null || mayBeInexact(text) ? readOne(key) : text
    })
  })
  return (key, isOptional = false) => read({ key, isOptional })
}
