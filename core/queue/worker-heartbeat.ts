/**
 * Heartbeats: workers announce the queues that they consume, so that a queue without a worker is noticed, and their host, so
 * that its health check notices workers that are stuck.
 */
import { hostname } from 'node:os'
import type { RedisClient } from '../redis/connect.ts'
import type { Log } from '../runtime/log.ts'

const INTERVAL_MS = 5_000
const TTL_SECONDS = 15
/** Written by workers of older versions: one key for all queues. */
const ALL_QUEUES = '1'
/** What is written there for servers of older versions. */
const SOME_QUEUES = 'some'

/** Those of these queues that no worker takes jobs from. */
export async function queuesWithoutWorker(redis: RedisClient, queues: readonly string[]): Promise<string[]> {
  const [all, ...taken] = await Promise.all([
    redis.get(redis.names.workersAlive),
    ...queues.map((queue) => redis.exists(redis.names.workersOf(queue))),
  ])
  return all === ALL_QUEUES ? [] : queues.filter((_, i) => taken[i] !== 1)
}

/** Whether worker processes of this host have given a sign of life, with or without a queue. */
export const areWorkersAlive = async (redis: RedisClient): Promise<boolean> =>
  (await redis.exists(redis.names.workersOnHost(hostname()))) === 1

/** For how long each of these queues has had no heartbeat of a worker, seconds; null where none is known. */
export const secondsSinceHeartbeat = (
  redis: RedisClient,
  queues: readonly string[],
): Promise<(number | null)[]> =>
  Promise.all(
    queues.map(async (queue) => {
      const restMs = await redis.pttl(redis.names.workersOf(queue))
      return restMs < 0 ? null : Math.max(0, Math.round(TTL_SECONDS - restMs / 1000))
    }),
  )

/** @param takenQueues the queues that this worker takes jobs from just now */
export function startHeartbeat({
  redis,
  takenQueues,
  log,
}: {
  redis: RedisClient
  takenQueues: () => readonly string[]
  log: Log
}): { announce(): void; stop(): void } {
  const { names } = redis
  const announce = (): void => {
    const queues = takenQueues()
    const writes = [
      redis.set(names.workersOnHost(hostname()), '1', 'EX', TTL_SECONDS),
      ...(queues.length > 0 ? [redis.set(names.workersAlive, SOME_QUEUES, 'EX', TTL_SECONDS)] : []),
      ...queues.map((queue) => redis.set(names.workersOf(queue), '1', 'EX', TTL_SECONDS)),
    ]
    Promise.all(writes).catch((error: unknown) => log.debug({ err: error }, 'no sign of life given'))
  }
  announce()
  const timer = setInterval(announce, INTERVAL_MS)
  return { announce, stop: () => clearInterval(timer) }
}
