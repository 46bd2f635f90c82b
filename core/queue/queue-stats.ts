/** What waits in the queues, and for how long: for operators. Reads only, and as much for many waiting requests as for few. */

import type { Queue } from 'bullmq'
import type { ServiceQueue } from '../catalog/queue-definition.ts'
import { nullIfUnreadable } from '../domain/errors.ts'
import type { RequestRecord } from '../domain/record.ts'
import { creationTimeOf } from '../domain/request-id.ts'
import type { RedisClient } from '../redis/connect.ts'
import type { Log } from '../runtime/log.ts'
import { nextJobs, onlyPrioritized, startedJobs, unlockedJobs } from './bullmq.ts'
import { createLanes } from './open-lanes.ts'

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
  /** Hashes of the jobs that do not run, by lane (lanes.ts). Reads all of them. */
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
  const lanes = createLanes({ redis, log, queueList: queues })

  return {
    async read() {
      return Promise.all(
        queues().map(async (queue) => {
          const all = lanes.of(queue)
          const states = await Promise.all(all.map(readLane))
          const sum = (of: (state: LaneState) => number): number => states.map(of).reduce((a, b) => a + b, 0)
          const others = sum(({ active, delayed }) => active + delayed)
          return {
            queue: queue.name,
            waiting: sum(({ waiting }) => waiting),
            running: sum(({ active }) => active),
            delayed: sum(({ delayed }) => delayed),
            oldest_seconds: await oldestSeconds(
              { store, now },
              await findOldest(redis, queue.name, all, others),
            ),
            at_once: states.some(({ atOnce }) => atOnce === null) ? null : sum(({ atOnce }) => atOnce ?? 0),
            held_seconds: Math.max(...states.map(({ heldSeconds }) => heldSeconds)),
          }
        }),
      )
    },
    async startedJobs() {
      const all = lanes.all().map((lane) => startedJobs(redis, lane, MAX_JOBS))
      return (await Promise.all(all)).flat()
    },
    async unlockedJobs() {
      const all = lanes
        .all()
        .map(async (lane): Promise<[string, string[]]> => [lane.name, await unlockedJobs(redis, lane)])
      return new Map(await Promise.all(all))
    },
    rawQueues: lanes.all,
    jobState: (hash, queue) => lanes.find(queue, hash).getJobState(hash),
    stop: lanes.stop,
  }
}

interface LaneState {
  waiting: number
  active: number
  delayed: number
  atOnce: number | null
  heldSeconds: number
}

async function readLane(lane: Queue): Promise<LaneState> {
  const [counts, atOnce, held] = await Promise.all([
    lane.getJobCounts('waiting', 'prioritized', 'active', 'delayed'),
    lane.getGlobalConcurrency(),
    lane.getRateLimitTtl(),
  ])
  const { waiting = 0, prioritized = 0, active = 0, delayed = 0 } = counts
  const heldSeconds = Math.max(0, Math.ceil(held / 1000))
  return { waiting: waiting + prioritized, active, delayed, atOnce, heldSeconds }
}

/**
 * The set that limits unfinished requests has them by when their records expire, and so the oldest first. Requests that were
 * sent again are not in it, but among those that run next.
 *
 * @param others how many of the set may not wait
 */
async function findOldest(
  redis: RedisClient,
  name: string,
  lanes: readonly Queue[],
  others: number,
): Promise<string[]> {
  const last = Math.min(others + OLDEST, MAX_JOBS) - 1
  const [unfinished, next] = await Promise.all([
    redis.zrange(redis.names.unfinished(`queue:${name}`), '0', String(last)),
    Promise.all(lanes.map((lane) => nextJobs(redis, lane, OLDEST))),
  ])
  const waiting = await Promise.all(lanes.map((lane) => onlyPrioritized(redis, lane, unfinished)))
  return [...new Set([...waiting, ...next].flat())]
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
