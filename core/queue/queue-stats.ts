/** What waits in the queues, and for how long: for operators. Reads only, and as much for many waiting requests as for few. */

import type { Queue } from 'bullmq'
import type { ServiceQueue } from '../catalog/queue-definition.ts'
import { nullIfUnreadable } from '../domain/errors.ts'
import type { RequestRecord } from '../domain/record.ts'
import { creationTimeOf } from '../domain/request-id.ts'
import type { RedisClient } from '../redis/connect.ts'
import type { Log } from '../runtime/log.ts'
import { type JobData, nextJobs, onlyPrioritized, openQueue, startedJobs, unlockedJobs } from './bullmq.ts'

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
  /** Hashes of jobs that run, or wait for their next attempt or a code. */
  startedJobs(): Promise<string[]>
  /** Hashes of the jobs that do not run, by queue. Reads all of them. */
  unlockedJobs(): Promise<Map<string, string[]>>
  /** What BullMQ says of a request's job: `waiting`, `active`, …; `unknown` where there is none. */
  jobState(hash: string, queue: Pick<ServiceQueue, 'name'>): Promise<string>
  /** As BullMQ has them. */
  rawQueues(): Queue[]
  stop(): Promise<void>
}

/** Scheduled requests have waited for less than their hash says: this many of the oldest records are read for it. */
const OLDEST = 20
/** Most of the jobs of a queue that are read for one question. */
const MAX_JOBS = 1_000

interface Deps {
  redis: RedisClient
  /** The request store. */
  store: { read(hash: string): Promise<{ record: Pick<RequestRecord, 'run_at'> } | null> }
  log: Log
  /** The queues that exist at present. */
  queues: () => readonly ServiceQueue[]
  now?: () => number
}

export function createQueueStats({ redis, store, log, queues, now = Date.now }: Deps): QueueStats {
  const opened = new Map<string, Queue<JobData>>()
  function open(name: string): Queue<JobData> {
    const queue = opened.get(name) ?? openQueue(name, redis, log)
    opened.set(name, queue)
    return queue
  }

  return {
    read: () =>
      Promise.all(
        queues().map(async ({ name }) => {
          const queue = open(name)
          const [counts, atOnce, held] = await Promise.all([
            queue.getJobCounts('waiting', 'prioritized', 'active', 'delayed'),
            queue.getGlobalConcurrency(),
            queue.getRateLimitTtl(),
          ])
          const { waiting = 0, prioritized = 0, active = 0, delayed = 0 } = counts
          return {
            queue: name,
            waiting: waiting + prioritized,
            running: active,
            delayed,
            oldest_seconds: await oldestSeconds(
              { store, now },
              await findOldest(redis, queue, active + delayed),
            ),
            at_once: atOnce,
            held_seconds: Math.max(0, Math.ceil(held / 1000)),
          }
        }),
      ),
    async startedJobs() {
      const all = queues().map(({ name }) => startedJobs(redis, open(name), MAX_JOBS))
      return (await Promise.all(all)).flat()
    },
    async unlockedJobs() {
      const all = queues().map(
        async ({ name }): Promise<[string, string[]]> => [name, await unlockedJobs(redis, open(name))],
      )
      return new Map(await Promise.all(all))
    },
    rawQueues: () => queues().map(({ name }) => open(name)),
    jobState: (hash, { name }) => open(name).getJobState(hash),
    async stop() {
      await Promise.all([...opened.values()].map((queue) => queue.close()))
    },
  }
}

/**
 * The set that limits unfinished requests has them by when their records expire, and so the oldest first. Requests that were
 * sent again are not in it, but among those that run next.
 *
 * @param others how many of the set may not wait
 */
async function findOldest(redis: RedisClient, queue: Queue, others: number): Promise<string[]> {
  const last = Math.min(others + OLDEST, MAX_JOBS) - 1
  const [unfinished, next] = await Promise.all([
    redis.zrange(redis.names.unfinished(`queue:${queue.name}`), '0', String(last)),
    nextJobs(redis, queue, OLDEST),
  ])
  return [...new Set([...(await onlyPrioritized(redis, queue, unfinished)), ...next])]
}

/** The hash has the creation time, the record the time it was due. */
async function oldestSeconds(
  { store, now }: Required<Pick<Deps, 'store' | 'now'>>,
  hashes: readonly string[],
): Promise<number | null> {
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
