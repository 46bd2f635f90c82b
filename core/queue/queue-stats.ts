/** What waits in the queues, and for how long: for operators. Reads only. */

import type { ServiceQueue } from '../catalog/queue-definition.ts'
import { nullIfUnreadable } from '../domain/errors.ts'
import type { RequestRecord } from '../domain/record.ts'
import { creationTimeOf } from '../domain/request-id.ts'
import type { RedisClient } from '../redis/connect.ts'
import type { Log } from '../runtime/log.ts'
import { keysOf, openQueue, waitingJobs } from './bullmq.ts'

export interface QueueState {
  queue: string
  waiting: number
  running: number
  /** Scheduled, between two attempts, or waiting for a code without a worker. */
  delayed: number
  /** How long the oldest waiting request has waited, seconds; null when none waits. */
  oldest_seconds: number | null
  /** How many may run concurrently; null for any number. */
  at_once: number | null
  /** For how long no job is started because a bot answered 429, seconds. */
  held_seconds: number
}

export interface QueueStats {
  read(): Promise<QueueState[]>
  /** Hashes of the jobs that do not run, by queue. */
  unlockedJobs(): Promise<Map<string, string[]>>
  stop(): Promise<void>
}

/** Scheduled requests have waited for less than their hash says: this many of the oldest records are read for it. */
const OLDEST = 20

export function createQueueStats({
  redis,
  store,
  log,
  queues,
  now = Date.now,
}: {
  redis: RedisClient
  /** The request store. */
  store: { read(hash: string): Promise<{ record: Pick<RequestRecord, 'run_at'> } | null> }
  log: Log
  queues: readonly ServiceQueue[]
  now?: () => number
}): QueueStats {
  const open = new Map(queues.map(({ name }) => [name, openQueue(name, redis, log)]))

  /** The hash has the creation time, the record the time it was due. */
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
            waitingJobs(redis, queue),
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
          const delayed = await redis.zrange(keysOf(queue).delayed, '0', '-1')
          return [name, [...(await waitingJobs(redis, queue)), ...delayed]]
        }),
      )
      return new Map(all)
    },
    async stop() {
      await Promise.all([...open.values()].map((queue) => queue.close()))
    },
  }
}
