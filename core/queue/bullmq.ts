/**
 * Everything that relies on how BullMQ stores jobs, which its API does not promise. `test/core/queue/bullmq.test.ts` has a
 * test for each assumption, so that an update of BullMQ that breaks one is noticed there.
 */
import { type Job, Queue, type Worker, type WorkerOptions } from 'bullmq'
import type { RedisClient } from '../redis/connect.ts'
import { findExistingKeys } from '../redis/existing.ts'
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
export function openQueue(name: string, redis: RedisClient, log: Log): Queue<JobData> {
  const queue = new Queue<JobData>(name, {
    connection: redis,
    prefix: redis.names.queues,
    skipWaitingForReady: true,
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

/** Jobs of `wait` run before those of `prioritized`. Null when the job is in neither. */
export async function positionOf(redis: RedisClient, queue: Queue, id: string): Promise<number | null> {
  const { wait, prioritized } = keysOf(queue)
  const [index, first, rank] = await Promise.all([
    redis.lpos(wait, id),
    redis.llen(wait),
    redis.zrank(prioritized, id),
  ])
  if (index !== null) return first - index
  return rank === null ? null : first + rank + 1
}

/** Ids of all waiting jobs. */
export async function waitingJobs(redis: RedisClient, queue: Queue): Promise<string[]> {
  const { wait, prioritized } = keysOf(queue)
  const [first, then] = await Promise.all([redis.lrange(wait, 0, -1), redis.zrange(prioritized, '0', '-1')])
  return [...first, ...then]
}

/** Those of these jobs that wait with a priority and whose hash exists. */
export async function prioritizedJobs(
  redis: RedisClient,
  queue: Queue,
  ids: readonly string[],
): Promise<string[]> {
  const { prioritized, job } = keysOf(queue)
  const scores = await redis.zmscore(prioritized, ...ids)
  const listed = ids.filter((_, i) => scores[i] !== null)
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
