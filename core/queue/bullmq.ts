/**
 * Everything that relies on how BullMQ stores jobs, which its API does not promise. `test/core/queue/bullmq.test.ts` has a
 * test for each assumption, so that an update of BullMQ that breaks one is noticed there.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { type Job, Queue, type Telemetry, type Worker, type WorkerOptions } from 'bullmq'
import { createBatcher } from '../redis/batch.ts'
import type { RedisClient } from '../redis/connect.ts'
import { findExistingKeys } from '../redis/existing.ts'
import { findPositions } from '../redis/scripts.ts'
import { scanSortedSet, sliceList } from '../redis/slices.ts'
import type { Log } from '../runtime/log.ts'

/** A job's data, beside its id. */
export interface JobData {
  /** Since when no worker has known its service, milliseconds since 1970. */
  unknown_since?: number
}
export type RequestJob = Job<JobData>
/** The id of a job is the hash of its request. */
export const hashOf = ({ id }: Pick<RequestJob, 'id'>): string => id as string

/** The score of a waiting job is its priority times this, plus a counter. */
export const SCORE_PER_PRIORITY = 2 ** 32
/** What `queue.rateLimit()` sets the limiter's counter to; a window with requests counts no further than its limit. */
export const RATE_LIMITED = Number.MAX_SAFE_INTEGER
/** Length of the event streams, which Halfway does not read. */
export const MAX_EVENTS = 100

/**
 * Keeps a job's `opts` under 64 bytes so that Redis stores the job hash as a listpack (a third of the memory): no defaults
 * spelled out, and `removeOnComplete` is set by the worker.
 */
export const COMPACT_JOB = { attempts: undefined }

/** On a connection that the queue does not own. */
export function openQueue(name: string, redis: RedisClient, log: Log, telemetry?: Telemetry): Queue<JobData> {
  const queue = new Queue<JobData>(name, {
    connection: redis,
    prefix: redis.names.queue(name),
    skipWaitingForReady: true,
    telemetry,
    streams: { events: { maxLen: MAX_EVENTS } },
  })
  queue.on('error', (error) => log.debug({ err: error, queue: name }, 'a queue lost its connection'))
  return queue
}

/** `wait` is a list, new jobs on the left, the next on the right. `prioritized` is a sorted set, the lowest score next. */
export const keysOf = (queue: Queue) => ({
  wait: queue.toKey('wait'),
  prioritized: queue.toKey('prioritized'),
  delayed: queue.toKey('delayed'),
  active: queue.toKey('active'),
  limiter: queue.toKey('limiter'),
  meta: queue.toKey('meta'),
  /** A hash. */
  job: (id: string): string => queue.toKey(id),
})

/** How far a position in `wait` is looked for: finding one takes as long as the list is. */
const MAX_SEARCHED = 10_000

/** Positions that are looked for in the same tick take one command. */
const MAX_POSITIONS = 250

/** Returns the position of a job, 1 is next; null when it does not wait, or waits too far back in `wait`. */
export type FindPosition = (id: string) => Promise<number | null>

/** Jobs of `wait` run before those of `prioritized`. */
export function createPositionFinder(redis: RedisClient, queue: Queue): FindPosition {
  const { wait: waitKey, prioritized: prioritizedKey } = keysOf(queue)
  async function findInWait(id: string): Promise<number | null> {
    const [index, length] = await Promise.all([
      redis.lpos(waitKey, id, 'RANK', -1, 'MAXLEN', MAX_SEARCHED),
      redis.llen(waitKey),
    ])
    return index === null ? null : length - index
  }
  return createBatcher(MAX_POSITIONS, async (ids: readonly string[]) => {
    const positions = await findPositions(redis, { waitKey, prioritizedKey, ids })
    return ids.map((id, i) => positions[i] || findInWait(id))
  })
}

/** Removes a job's entries from the queue's event stream, which BullMQ limits only by its length. */
export async function removeEvents(redis: RedisClient, queue: Queue, id: string): Promise<void> {
  const events = queue.toKey('events')
  const found = await redis.xrange(events, '-', '+')
  const ofJob = found.filter(([, fields]) => fields.includes(id)).map(([entry]) => entry)
  if (ofJob.length > 0) await redis.xdel(events, ...ofJob)
}

/** @param before milliseconds since 1970: older events are removed */
export const trimEvents = async (redis: RedisClient, queue: Queue, before: number): Promise<void> => {
  await redis.xtrim(queue.toKey('events'), 'MINID', Math.floor(before))
}

/** Ids of the waiting jobs that run next, of both kinds. */
export async function nextJobs(redis: RedisClient, queue: Queue, count: number): Promise<string[]> {
  const { wait, prioritized } = keysOf(queue)
  const [first, then] = await Promise.all([
    redis.lrange(wait, -count, -1),
    redis.zrange(prioritized, '0', String(count - 1)),
  ])
  return [...first, ...then]
}

/** Ids of all jobs that do not run, read in slices. */
export async function unlockedJobs(redis: RedisClient, queue: Queue): Promise<string[]> {
  const { wait, prioritized, delayed } = keysOf(queue)
  const ids = new Set<string>()
  for (const slices of [
    sliceList(redis, wait),
    scanSortedSet(redis, prioritized),
    scanSortedSet(redis, delayed),
  ])
    for await (const slice of slices) for (const id of slice) ids.add(id)
  return [...ids]
}

/** Ids of jobs that run, and of those that wait for their next attempt or a code; of many, the first to go on. */
export async function startedJobs(redis: RedisClient, queue: Queue, count: number): Promise<string[]> {
  const { active, delayed } = keysOf(queue)
  const [running, paused] = await Promise.all([
    redis.lrange(active, 0, count - 1),
    redis.zrange(delayed, '0', String(count - 1)),
  ])
  return [...running, ...paused]
}

/** Those of these jobs that wait with a priority. */
export async function onlyPrioritized(
  redis: RedisClient,
  queue: Queue,
  ids: readonly string[],
): Promise<string[]> {
  if (ids.length === 0) return []
  const scores = await redis.zmscore(keysOf(queue).prioritized, ...ids)
  return ids.filter((_, i) => scores[i] !== null)
}

/** As `onlyPrioritized`, of jobs whose hash exists. */
export async function prioritizedJobs(
  redis: RedisClient,
  queue: Queue,
  ids: readonly string[],
): Promise<string[]> {
  const { job } = keysOf(queue)
  const listed = await onlyPrioritized(redis, queue, ids)
  const present = await findExistingKeys(redis, listed.map(job), { isOneSlot: true })
  return listed.filter((id) => present.has(job(id)))
}

/**
 * How long a worker blocks for a job, on a connection of its own that is taken for dead when it is silent for longer
 * (`blockMs` in core/redis/connect.ts). A job that is added meanwhile is taken immediately.
 */
export const BLOCK_SECONDS = 2

export const blockingOptions = (
  sleepSeconds: number,
): Pick<WorkerOptions, 'drainDelay' | 'runRetryDelay'> => ({
  drainDelay: sleepSeconds,
  runRetryDelay: 1000,
})
const FRACTIONS_OF_SECONDS: PropertyDescriptor = {
  get: () => ({ canDoubleTimeout: true, canBlockFor1Ms: false }),
  set: () => {},
}
/** With a delayed job in the queue BullMQ blocks for up to ten seconds, and has no option for it. */
export function capBlockTimeout(worker: Worker, sleepSeconds: number): void {
  const backend = worker.getBackend()
  Object.defineProperty(backend, 'maximumBlockTimeout', { value: sleepSeconds })
  // Without the right to call INFO it assumes a Redis that blocks for whole seconds only; supported ones are newer.
  const { blockingConnection } = backend as { blockingConnection?: object }
  if (blockingConnection) Object.defineProperty(blockingConnection, 'capabilities', FRACTIONS_OF_SECONDS)
}

const RETRY_AFTER_ERROR_MS = 500
/**
 * After an error that is not of the connection, such as a missing right, BullMQ asks for the next job again at once, and
 * without an end: nothing else of the process would run.
 */
export function slowDownAfterErrors(worker: Worker): void {
  const backend = worker.getBackend()
  const moveToActive = backend.moveToActive.bind(backend)
  backend.moveToActive = async (...args: Parameters<typeof moveToActive>) => {
    try {
      return await moveToActive(...args)
    } catch (error) {
      if (!worker.closing) await sleep(RETRY_AFTER_ERROR_MS)
      throw error
    }
  }
}
