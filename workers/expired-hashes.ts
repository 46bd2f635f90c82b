/**
 * Removes the hashes of expired requests where nothing but a hash remains: in the list of recent requests, and in the events of
 * queues. A record expires by itself, its traces do not.
 */
import type { Queues } from '../core/queue/queues.ts'
import type { RedisClient } from '../core/redis/connect.ts'
import { findExistingKeys } from '../core/redis/existing.ts'
import type { Log } from '../core/runtime/log.ts'

interface Deps {
  redis: RedisClient
  queues: Pick<Queues, 'trimEvents'>
  /** REQUEST_TTL. */
  ttlSeconds: number
  log: Log
  /** Milliseconds since 1970, by the clock of the records. */
  now: () => number
  everyMs?: number
}

const INTERVAL_MS = 300_000

export function startRemovingExpired({ log, everyMs = INTERVAL_MS, ...deps }: Deps): { stop(): void } {
  const remove = (): void =>
    void removeExpired(deps).catch((error: unknown) =>
      log.debug({ err: error }, 'could not remove what is left of expired requests'),
    )
  const timer = setInterval(remove, everyMs)
  return { stop: () => clearInterval(timer) }
}

async function removeExpired({ redis, queues, ttlSeconds, now }: Omit<Deps, 'log'>): Promise<void> {
  const { list, record } = redis.names
  await queues.trimEvents(now() - ttlSeconds * 1000)
  const listed = await redis.lrange(list, 0, -1)
  const present = await findExistingKeys(redis, listed.map(record))
  const expired = listed.filter((hash) => !present.has(record(hash)))
  // The oldest are at the end, where each search begins.
  await Promise.all(expired.map((hash) => redis.lrem(list, -1, hash)))
}
