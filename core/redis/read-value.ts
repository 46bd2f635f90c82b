/**
 * Reads strings: those that are asked for in one turn of the event loop with one command. Where many ask at once how their
 * requests stand, most of what a GET costs is its way through this process.
 */
import { Cluster } from 'ioredis'
import type { RedisClient } from './connect.ts'

/** What stands for a value that is no string, here and in the scripts. */
export const WRONG_TYPE = 'WRONGTYPE'
/** Of other programs' commands none should wait for long. */
const MOST_AT_ONCE = 100

/** Null when there is nothing of this name; `WRONG_TYPE` when it is no string. */
export type ReadValue = (key: string) => Promise<string | null>

interface Asked {
  key: string
  resolve(value: string | null | Promise<string | null>): void
  reject(error: unknown): void
}

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

  async function read(asked: Asked[]): Promise<void> {
    const [only] = asked
    if (only && asked.length === 1) return only.resolve(readOne(only.key))
    try {
      const values = await redis.mget(asked.map(({ key }) => key))
      // What is no string is none to MGET.
      for (const [i, { key, resolve }] of asked.entries()) resolve(values[i] ?? readOne(key))
    } catch (error) {
      for (const { reject } of asked) reject(error)
    }
  }

  let waiting: Asked[] = []
  function readAll(): void {
    const asked = waiting
    waiting = []
    for (let from = 0; from < asked.length; from += MOST_AT_ONCE)
      void read(asked.slice(from, from + MOST_AT_ONCE))
  }

  return (key) =>
    new Promise((resolve, reject) => {
      if (waiting.push({ key, resolve, reject }) === 1) setImmediate(readAll)
    })
}
