/** A sign of life that workers give while they take jobs, so that the server can say whether anybody does. */
import type { Log } from '../log.ts'
import type { RedisClient } from './connect.ts'

const EVERY_MS = 5_000
const LASTS_SECONDS = 15

export const areWorkersAlive = async (redis: RedisClient): Promise<boolean> =>
  (await redis.exists(redis.names.workersAlive)) === 1

/** @param isTaking whether this worker takes jobs just now */
export function announceWorker({
  redis,
  isTaking,
  log,
}: {
  redis: RedisClient
  isTaking: () => boolean
  log: Log
}): { stop(): void } {
  const announce = (): void => {
    if (!isTaking()) return
    redis
      .set(redis.names.workersAlive, '1', 'EX', LASTS_SECONDS)
      .catch((error: unknown) => log.debug({ err: error }, 'no sign of life given'))
  }
  announce()
  const timer = setInterval(announce, EVERY_MS)
  return { stop: () => clearInterval(timer) }
}
