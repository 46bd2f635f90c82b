/**
 * The queues, on BullMQ: one for each name that services use. A job is only a hint that a request waits; its id is the
 * hash and that is all there is to it, so nothing of the person lies in a queue, an event or a log of it.
 */
import { type Job, Queue, type Worker, type WorkerOptions } from 'bullmq'
import { Cluster } from 'ioredis'
import { DEFAULT_PRIORITY, type Service } from '../catalog/define-service.ts'
import { allQueues } from '../catalog/index.ts'
import type { ServiceQueue } from '../catalog/queue-definitions.ts'
import type { RequestRecord } from '../domain/record.ts'
import type { RedisClient } from '../redis/connect.ts'
import { existing } from '../redis/existing.ts'
import { findPending } from '../redis/scripts.ts'
import type { Log } from '../runtime/log.ts'
import { type AssignRound, createFairShare } from './fair-share.ts'
import { createQueueLimits, EVENTS_KEPT } from './queue-limits.ts'

/** All that a job holds beside its id. */
export interface JobData {
  /** Since when workers have not known its service, milliseconds since 1970. */
  unknown_since?: number
}
/** A job of a request. */
export type RequestJob = Job<JobData>
export const hashOf = ({ id }: Pick<RequestJob, 'id'>): string => id as string

/**
 * How long a worker asks for a job at a time, on a connection of its own: what is not heard of for longer than this and
 * a moment is taken for dead (`blockMs` in core/redis/connect.ts). A job that comes meanwhile is taken at once.
 */
export const BLOCK_SECONDS = 2

/** How a worker waits for jobs: briefly, and soon again when Redis was away. */
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
/** With a delayed job in the queue BullMQ waits up to ten seconds at a time, which no option of it changes. */
export function capBlockTimeout(worker: Worker, sleepSeconds: number): void {
  const backend = worker.getBackend()
  Object.defineProperty(backend, 'maximumBlockTimeout', { value: sleepSeconds })
  // Where it may not ask for the version it takes Redis for one that waits whole seconds only: ours is newer.
  const { blockingConnection } = backend as { blockingConnection?: object }
  if (blockingConnection) Object.defineProperty(blockingConnection, 'capabilities', FRACTIONS_OF_SECONDS)
}

/**
 * What a job says of itself stays within 64 bytes, so that Redis keeps the job in a third of the memory: nothing here that
 * BullMQ takes for granted, and whether a job is kept once it has ended its worker says.
 */
const COMPACT_JOB = { attempts: undefined }

/** What a queue knows of a request: whose it is, how urgent, and when. */
type QueuedRequest = Pick<RequestRecord, 'hash' | 'status' | 'submitter' | 'priority' | 'run_at'>
type QueueTarget = Pick<Service, 'queue' | 'priority'>

export interface Queues {
  /**
   * A request that waits takes its turn; one whose time has not come waits for that first; one that has begun goes first.
   * Adding the same one again while its job lives changes nothing.
   */
  add(request: QueuedRequest, where: QueueTarget): Promise<void>
  /** Adds it where its job was lost. */
  addIfMissing(request: QueuedRequest, where: QueueTarget): Promise<void>
  /**
   * Those of these requests that wait for their turn, and whose job is whole: a few commands for all of them together. One that
   * another program has begun is not among them, though its job waits.
   */
  inLine(hashes: readonly string[]): Promise<ReadonlySet<string>>
  /** The job of a request whose time has come waits from now on like those that were added now. */
  requeueFairly(job: RequestJob, request: QueuedRequest, where: QueueTarget): Promise<void>
  /** A job that waits for its time runs now; one that is gone is added again; one that is worked on is left alone. */
  promote(request: QueuedRequest, where: QueueTarget): Promise<void>
  /** Adds a job without a request, to see whether somebody takes it. */
  probe(hash: string, queue: ServiceQueue): Promise<void>
  /** Whether there is a job of it, waiting or running. */
  has(hash: string, queue: ServiceQueue): Promise<boolean>
  /** Takes a job out that nobody works on (any more). */
  remove(hash: string, queue: ServiceQueue): Promise<void>
  /** 1 is next; null when it does not wait in this queue. */
  position(hash: string, queue: ServiceQueue): Promise<number | null>
  /** Sees to it from now on that the limits of the queues hold, for all workers together, also in a Redis that was emptied. */
  applyLimits(): Promise<void>
  /** Nothing of this queue is begun for so long, by no worker. Who wants it held for longer is heard. */
  hold(queue: ServiceQueue, ms: number): Promise<void>
  stop(): Promise<void>
}

/** BullMQ's own, on a connection that is not its own. */
export function openQueue(name: string, redis: RedisClient, log: Log): Queue<JobData> {
  const queue = new Queue<JobData>(name, {
    connection: redis,
    prefix: redis.names.queues,
    skipWaitingForReady: true,
    streams: { events: { maxLen: EVENTS_KEPT } },
  })
  queue.on('error', (error) => log.debug({ err: error, queue: name }, 'a queue lost its connection'))
  return queue
}

export function createQueues({
  redis,
  log,
  services = allQueues(),
  now = Date.now,
}: {
  redis: RedisClient
  log: Log
  services?: readonly ServiceQueue[]
  /** Milliseconds since 1970, by the clock of the records. */
  now?: () => number
}): Queues {
  const queues = new Map(services.map(({ name }) => [name, openQueue(name, redis, log)]))

  const find = ({ name }: ServiceQueue): Queue<JobData> => {
    const queue = queues.get(name)
    if (!queue) throw new Error(`no service uses the queue "${name}"`)
    return queue
  }

  const limits = createQueueLimits({ redis, log, services, find })

  /** By queue and urgency: those who want a turn at the same time are given theirs together. */
  const fairShares = new Map<string, AssignRound>()
  function priorityFor(
    { submitter, priority }: QueuedRequest,
    { queue, ...where }: QueueTarget,
  ): Promise<number> {
    const urgency = priority ?? where.priority ?? DEFAULT_PRIORITY
    const name = `${queue.name}:${urgency}`
    const take = fairShares.get(name) ?? createFairShare(redis, find(queue), urgency)
    fairShares.set(name, take)
    return take(submitter ?? '')
  }

  const add: Queues['add'] = async (request, where) => {
    const { hash, status, run_at } = request
    const delay = run_at ? Math.max(0, Date.parse(run_at) - now()) : 0
    const isInLine = status === 'pending' && delay === 0
    const order = isInLine ? { priority: await priorityFor(request, where) } : { delay }
    await find(where.queue).add('request', {}, { ...COMPACT_JOB, jobId: hash, ...order })
  }

  const has: Queues['has'] = async (hash, queue) => (await redis.exists(find(queue).toKey(hash))) === 1

  return {
    add,
    async addIfMissing(request, where) {
      // BullMQ moves a job from list to list in one step: one that is in none of them is lost, whatever is left of it.
      const queue = find(where.queue)
      const [isThere, state] = await Promise.all([
        has(request.hash, where.queue),
        queue.getJobState(request.hash),
      ])
      if (isThere && state !== 'unknown') return
      await queue.remove(request.hash)
      await add(request, where)
    },
    async inLine(hashes) {
      const ofQueues = await Promise.all(
        [...queues.values()].map(async (queue) => {
          const scores = await redis.zmscore(queue.toKey('prioritized'), ...hashes)
          const placed = hashes.filter((_, i) => scores[i] !== null)
          const whole = await existing(
            redis,
            placed.map((hash) => queue.toKey(hash)),
            { isOneSlot: true },
          )
          return placed.filter((hash) => whole.has(queue.toKey(hash)))
        }),
      )
      return new Set(await pendingOf(redis, ofQueues.flat()))
    },
    async probe(hash, queue) {
      await find(queue).add('probe', {}, { ...COMPACT_JOB, jobId: hash })
    },
    has,
    async requeueFairly(job, request, where) {
      await job.changePriority({ priority: await priorityFor(request, where) })
    },
    async promote(request, where) {
      const job = await find(where.queue).getJob(request.hash)
      if (!job) return add(request, where)
      // Not delayed: somebody works on it or is about to, and will see for themselves.
      if (await job.isDelayed()) await job.promote().catch(() => {})
    },
    async remove(hash, queue) {
      // A job that somebody works on is locked; its worker hears of the end by itself.
      await find(queue).remove(hash)
    },
    async position(hash, queue) {
      const { wait, prioritized } = find(queue).keys as { wait: string; prioritized: string }
      // Those that have begun go first: they enter their list on the left and leave it on the right.
      const [index, first, rank] = await Promise.all([
        redis.lpos(wait, hash),
        redis.llen(wait),
        redis.zrank(prioritized, hash),
      ])
      if (index !== null) return first - index
      return rank === null ? null : first + rank + 1
    },
    applyLimits: limits.set,
    hold: limits.hold,
    async stop() {
      limits.stop()
      await Promise.all([...queues.values()].map((queue) => queue.close()))
    },
  }
}

/** In a Cluster one script must not name keys of several slots. */
async function pendingOf(redis: RedisClient, hashes: readonly string[]): Promise<string[]> {
  if (hashes.length === 0) return []
  const records = hashes.map(redis.names.record)
  const answers =
    redis instanceof Cluster
      ? (await Promise.all(records.map((record) => findPending(redis, [record])))).flat()
      : await findPending(redis, records)
  return hashes.filter((_, i) => answers[i] === 1)
}
