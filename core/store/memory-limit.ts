/**
 * Refuses new requests while Redis is nearly full. A full Redis refuses every write, and with it codes, progress and results
 * of the requests that it has, which need the last part of its memory.
 */
import { AppError } from '../domain/errors.ts'
import type { RedisClient } from '../redis/connect.ts'
import { memoryShare } from '../redis/server-info.ts'

/** Of `maxmemory`: from here on new requests are refused. */
export const MAX_SHARE = 0.95
const CHECK_EVERY_MS = 1_000
const RETRY_AFTER_SECONDS = 30

export interface MemoryLimit {
  /** Uses what was read within the last second or two, and waits for nothing. @throws AppError `queue_full` */
  admit(): void
}

export function createMemoryLimit(redis: RedisClient): MemoryLimit {
  let share = 0
  let readAt = Number.NEGATIVE_INFINITY

  function read(): void {
    if (performance.now() - readAt < CHECK_EVERY_MS) return
    readAt = performance.now()
    memoryShare(redis).then(
      (known) => {
        share = known ?? 0
      },
      // Where Redis is away the write says so.
      () => {},
    )
  }

  read()
  return {
    admit() {
      read()
      if (share >= MAX_SHARE)
        throw new AppError('queue_full', {
          detail: 'The storage is nearly full; what runs goes on.',
          retryAfterSeconds: RETRY_AFTER_SECONDS,
        })
    },
  }
}
