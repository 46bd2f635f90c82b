/** Who waits in the queues, and for how long: for those who run Halfway. Looks only. */

import type { ServiceQueue } from '../catalog/queue-definitions.ts'
import { nullIfUnreadable } from '../domain/errors.ts'
import { creationTimeOf } from '../domain/request-id.ts'
import type { RedisClient } from '../redis/connect.ts'
import type { Log } from '../runtime/log.ts'
import type { RequestStore } from '../store/request-store.ts'
import { openQueue } from './queues.ts'

export interface QueueState {
  queue: string
  waiting: number
  running: number
  /** Scheduled, between two tries, or waiting for a code without a worker. */
  delayed: number
  /** Seconds that the oldest of those that wait has waited; null when none does. */
  oldest_seconds: number | null
  /** How many may run at once; null for any number. */
  at_once: number | null
  /** Seconds for which nothing is begun, because the bot said that it has too much to do. */
  held_seconds: number
}

export interface QueueStats {
  read(): Promise<QueueState[]>
  /** Hashes of the jobs that nobody works on, by queue. */
  unlockedJobs(): Promise<Map<string, string[]>>
  stop(): Promise<void>
}

/** Of so many of the oldest hashes it is looked up whether they were scheduled, and have waited for less. */
const OLDEST = 20

export function createQueueCensus({
  redis,
  store,
  log,
  queues,
  now = Date.now,
}: {
  redis: RedisClient
  store: Pick<RequestStore, 'read'>
  log: Log
  queues: readonly ServiceQueue[]
  now?: () => number
}): QueueStats {
  const open = new Map(queues.map(({ name }) => [name, openQueue(name, redis, log)]))

  const waiting = async (queue: ReturnType<typeof openQueue>): Promise<string[]> => {
    const { wait, prioritized } = queue.keys as Record<string, string>
    const [first, then] = await Promise.all([
      redis.lrange(wait as string, 0, -1),
      redis.zrange(prioritized as string, '0', '-1'),
    ])
    return [...first, ...then]
  }

  /** A hash says when its request was made; the record, when it was due. */
  async function oldestSeconds(hashes: readonly string[]): Promise<number | null> {
    const oldest = hashes
      .map((hash) => ({ hash, since: creationTimeOf(hash, now()) ?? now() }))
      .sort((a, b) => a.since - b.since)
      .slice(0, OLDEST)
    const since = await Promise.all(
      oldest.map(async (one) => {
        const record = (await store.read(one.hash).catch(nullIfUnreadable))?.record
        return Math.max(one.since, record?.run_at ? Date.parse(record.run_at) : 0)
      }),
    )
    return since.length === 0 ? null : Math.max(0, Math.round((now() - Math.min(...since)) / 1000))
  }

  return {
    read: () =>
      Promise.all(
        [...open].map(async ([name, queue]) => {
          const [counts, hashes, atOnce, held] = await Promise.all([
            queue.getJobCounts('active', 'delayed'),
            waiting(queue),
            queue.getGlobalConcurrency(),
            queue.getRateLimitTtl(),
          ])
          return {
            queue: name,
            waiting: hashes.length,
            running: counts.active ?? 0,
            delayed: counts.delayed ?? 0,
            oldest_seconds: await oldestSeconds(hashes),
            at_once: atOnce,
            held_seconds: Math.max(0, Math.ceil(held / 1000)),
          }
        }),
      ),
    async unlockedJobs() {
      const all = await Promise.all(
        [...open].map(async ([name, queue]): Promise<[string, string[]]> => {
          const { delayed } = queue.keys as { delayed: string }
          return [name, [...(await waiting(queue)), ...(await redis.zrange(delayed, '0', '-1'))]]
        }),
      )
      return new Map(all)
    },
    async stop() {
      await Promise.all([...open.values()].map((queue) => queue.close()))
    },
  }
}
