/**
 * The queues, on BullMQ: one for each lane (lanes.ts) of a queue of the services, opened at its first use. A job only says that a request waits. Its id is the hash of
 * the request and it has no data, so that nothing private is in a queue, an event or a log of it.
 */
import type { Queue, Telemetry } from 'bullmq'
import { Cluster } from 'ioredis'
import type { ServiceQueue } from '../catalog/queue-definition.ts'
import { DEFAULT_PRIORITY, type Service } from '../catalog/service-definition.ts'
import type { RequestRecord } from '../domain/record.ts'
import { endOfTick } from '../redis/batch.ts'
import type { RedisClient } from '../redis/connect.ts'
import { findPending } from '../redis/scripts.ts'
import type { Log } from '../runtime/log.ts'
import {
  COMPACT_JOB,
  createPositionFinder,
  type FindPosition,
  type JobData,
  prioritizedJobs,
  type RequestJob,
  removeEvents,
  trimEvents,
} from './bullmq.ts'
import { type AssignRound, createFairShare, type Place } from './fair-share.ts'
import { inAllLanes, splitQueue } from './lanes.ts'
import { createLanes, type OpenLanes } from './open-lanes.ts'
import { createQueueLimits } from './queue-limits.ts'

type QueuedRequest = Pick<RequestRecord, 'hash' | 'status' | 'submitter' | 'priority' | 'run_at'>
type QueueTarget = Pick<Service, 'queue'> & Partial<Pick<Service, 'priority'>>

/**
 * Adds the job of a new request.
 *
 * @param storing the write of its record, which has been sent. The job is sent right after it on the same connection, where
 * Redis runs it second; in a Cluster, where it may go to another node, once the write has resolved
 * @returns the position, 1 is next; null for a delayed one
 * @throws what `storing` rejects with; the job may have been added: a worker drops a job without a record
 */
export type AddNewJob = (storing: Promise<unknown>) => Promise<number | null>

export interface Queues {
  /**
   * Adds the job of a request: a pending one in its round, a scheduled one delayed, a started one ahead of all. Idempotent
   * while the job exists.
   */
  add(request: QueuedRequest, where: QueueTarget): Promise<void>
  /** Assigns the round of a new request. Resolves with the function that adds its job. */
  prepare(request: QueuedRequest, where: QueueTarget): Promise<AddNewJob>
  /** Adds the job again when it was lost. */
  addIfMissing(request: QueuedRequest, where: QueueTarget): Promise<void>
  /** Those of these requests that are pending and whose job waits with a priority: a few commands for all of them. */
  inLine(hashes: readonly string[]): Promise<ReadonlySet<string>>
  /** Gives the job of a scheduled request that is due now its round, as if it were added now. */
  requeueFairly(job: RequestJob, request: QueuedRequest, where: QueueTarget): Promise<void>
  /** Runs a delayed job now, and adds a missing one. A job that runs is left alone. */
  promote(request: QueuedRequest, where: QueueTarget): Promise<void>
  /** Adds a job without a request, to check whether a worker takes it. */
  probe(hash: string, queue: ServiceQueue): Promise<void>
  /** Whether the job exists, waiting or running. */
  has(hash: string, queue: ServiceQueue): Promise<boolean>
  /** Removes a job. A running one is locked and stays; its worker notices the end of the request itself. */
  remove(hash: string, queue: ServiceQueue): Promise<void>
  /** How many requests wait for their turn. */
  waiting(queue: ServiceQueue): Promise<number>
  /** As `remove`, with what the queue's events say of the job. */
  erase(hash: string, queue: ServiceQueue): Promise<void>
  /** Removes the events of all queues that are older, milliseconds since 1970. */
  trimEvents(before: number): Promise<void>
  /** 1 is next; null when it does not wait in this queue. */
  position(hash: string, queue: ServiceQueue): Promise<number | null>
  /** Sets the limits of all queues for all workers, and again in a Redis that lost them. */
  applyLimits(): Promise<void>
  /** Starts no job of this queue, on any worker, until it is resumed. */
  pause(name: string): Promise<void>
  resume(name: string): Promise<void>
  /** Sets the limits of one queue for all workers. */
  setLimits(queue: ServiceQueue): Promise<void>
  /** Starts no job of this queue for a time, on any worker. A longer hold stays. */
  hold(queue: ServiceQueue, ms: number): Promise<void>
  stop(): Promise<void>
}

interface Context {
  redis: RedisClient
  lanes: OpenLanes
  /** By lane and urgency. */
  fairShares: Map<string, AssignRound>
  /** By lane. */
  positionFinders: Map<string, FindPosition>
  now: () => number
}

export function createQueues({
  redis,
  log,
  queueList,
  telemetry,
  now = Date.now,
}: {
  redis: RedisClient
  log: Log
  /** The queues that exist at present. */
  queueList: () => readonly ServiceQueue[]
  telemetry?: Telemetry
  /** Milliseconds since 1970, by the clock of the records. */
  now?: () => number
}): Queues {
  const lanes = createLanes({ redis, log, queueList, telemetry })
  const context: Context = { redis, lanes, fairShares: new Map(), positionFinders: new Map(), now }
  const limits = createQueueLimits({
    redis,
    log,
    queues: () => queueList().flatMap(splitQueue),
    find: ({ name }) => lanes.open(name),
  })
  async function forLanes(queue: Parameters<OpenLanes['of']>[0], work: (lane: Queue<JobData>) => unknown) {
    await Promise.all(lanes.of(queue).map(work))
  }
  const has: Queues['has'] = async (hash, queue) =>
    (await redis.exists(lanes.find(queue, hash).toKey(hash))) === 1

  return {
    add: (request, where) => add(context, request, where),
    prepare: (request, where) => prepare(context, request, where),
    addIfMissing: (request, where) => addIfMissing(context, request, where),
    async inLine(hashes) {
      const prioritized = await Promise.all(lanes.all().map((lane) => prioritizedJobs(redis, lane, hashes)))
      return new Set(await onlyPending(redis, prioritized.flat()))
    },
    async probe(hash, queue) {
      await lanes.find(queue, hash).add('probe', {}, { ...COMPACT_JOB, jobId: hash })
    },
    has,
    async requeueFairly(job, request, where) {
      const { priority } = await assignPlace(context, request, where)
      await job.changePriority({ priority })
    },
    async promote(request, where) {
      const job = await lanes.find(where.queue, request.hash).getJob(request.hash)
      if (!job) await add(context, request, where)
      // A job that is not delayed runs or is about to, and reads the record itself.
      else if (await job.isDelayed()) await job.promote().catch(() => {})
    },
    // In each lane: it may have been added when there were fewer.
    remove: (hash, queue) => forLanes(queue, (lane) => lane.remove(hash)),
    async waiting(queue) {
      const counts = lanes.of(queue).map((lane) => lane.getJobCountByTypes('waiting', 'prioritized'))
      return (await Promise.all(counts)).reduce((sum, count) => sum + count, 0)
    },
    erase: (hash, queue) =>
      forLanes(queue, (lane) => lane.remove(hash).then(() => removeEvents(redis, lane, hash))),
    async trimEvents(before) {
      await Promise.all(lanes.all().map((lane) => trimEvents(redis, lane, before)))
    },
    position: async (hash, queue) =>
      inAllLanes(lanes.define(queue), await findPosition(context, lanes.find(queue, hash), hash)),
    pause: (name) => forLanes({ name }, (lane) => lane.pause()),
    resume: (name) => forLanes({ name }, (lane) => lane.resume()),
    async setLimits(queue) {
      await Promise.all(splitQueue(queue).map(limits.setOne))
    },
    applyLimits: limits.set,
    hold: (queue, ms) => forLanes(queue, ({ name }) => limits.hold({ name }, ms)),
    async stop() {
      limits.stop()
      await lanes.stop()
    },
  }
}

/** Rounds of requests that are added at the same time are assigned by one script. */
function assignPlace(
  context: Context,
  { hash, submitter, priority }: QueuedRequest,
  { queue, ...where }: QueueTarget,
): Promise<Place> {
  const { redis, fairShares } = context
  const urgency = priority ?? where.priority ?? DEFAULT_PRIORITY
  const lane = context.lanes.find(queue, hash)
  const name = `${lane.name}:${urgency}`
  const assignRound = fairShares.get(name) ?? createFairShare(redis, lane, urgency)
  fairShares.set(name, assignRound)
  return assignRound(submitter ?? '')
}

function findPosition(
  { redis, positionFinders }: Context,
  lane: Queue,
  hash: string,
): Promise<number | null> {
  const find = positionFinders.get(lane.name) ?? createPositionFinder(redis, lane)
  positionFinders.set(lane.name, find)
  return find(hash)
}

type JobOrder = Place | { delay: number }

async function orderOf(context: Context, request: QueuedRequest, where: QueueTarget): Promise<JobOrder> {
  const { status, run_at } = request
  const delay = run_at ? Math.max(0, Date.parse(run_at) - context.now()) : 0
  return status === 'pending' && delay === 0 ? assignPlace(context, request, where) : { delay }
}

async function add(context: Context, request: QueuedRequest, where: QueueTarget): Promise<void> {
  await addJob(context, request, where, await orderOf(context, request, where))
}

function addJob(context: Context, { hash }: QueuedRequest, { queue }: QueueTarget, order: JobOrder) {
  const when = 'delay' in order ? order : { priority: order.priority }
  return context.lanes.find(queue, hash).add('request', {}, { ...COMPACT_JOB, jobId: hash, ...when })
}

async function prepare(context: Context, request: QueuedRequest, where: QueueTarget): Promise<AddNewJob> {
  const order = await orderOf(context, request, where)

  return async (storing) => {
    // It may reject before it is awaited.
    storing.catch(() => {})
    // Batched writes of the same tick are sent at its end.
    await (context.redis instanceof Cluster ? storing : endOfTick())
    await Promise.all([addJob(context, request, where, order), storing])
    return 'delay' in order ? null : inAllLanes(context.lanes.define(where.queue), order.position)
  }
}

async function addIfMissing(context: Context, request: QueuedRequest, where: QueueTarget): Promise<void> {
  const { hash } = request
  const queue = context.lanes.find(where.queue, hash)
  // BullMQ moves a job between its lists in one step: a job that is in none of them is lost, even if its hash exists.
  const [exists, state] = await Promise.all([
    context.redis.exists(queue.toKey(hash)),
    queue.getJobState(hash),
  ])
  if (exists === 1 && state !== 'unknown') return
  await queue.remove(hash)
  await add(context, request, where)
}

/** In a Cluster one script must not name keys of several slots. */
async function onlyPending(redis: RedisClient, hashes: readonly string[]): Promise<string[]> {
  if (hashes.length === 0) return []
  const records = hashes.map(redis.names.record)
  const pending =
    redis instanceof Cluster
      ? (await Promise.all(records.map((record) => findPending(redis, [record])))).flat()
      : await findPending(redis, records)
  return hashes.filter((_, i) => pending[i] === 1)
}
