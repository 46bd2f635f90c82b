/**
 * The queues, on BullMQ: one for each name that services use. A job is only a hint that a request waits; its id is the
 * hash and the hash is all it holds, so nothing of the person lies in a queue, an event or a log of it.
 */
import { Queue, type Worker, type WorkerOptions } from 'bullmq'
import type { Log } from '../log.ts'
import { allQueues } from '../services/index.ts'
import type { RedisClient } from './connect.ts'

export interface JobData {
  hash: string
}

/** BullMQ's event streams are not read here: keep them short. */
const EVENTS_KEPT = 100

/**
 * A worker waits for jobs on a connection of its own, and what is not heard of for longer than this and a moment is
 * taken for dead (core/redis/connect.ts).
 */
const BLOCK_AT_MOST_SECONDS = 2

/** How a worker waits for jobs: briefly, and soon again when Redis was away. */
export const WAITING: Pick<WorkerOptions, 'drainDelay' | 'runRetryDelay'> = {
  drainDelay: BLOCK_AT_MOST_SECONDS,
  runRetryDelay: 1000,
}
/** With a delayed job in the queue BullMQ waits up to ten seconds at a time, which no option of it changes. */
export function waitBriefly(worker: Worker): void {
  Object.defineProperty(worker.getBackend(), 'maximumBlockTimeout', { value: BLOCK_AT_MOST_SECONDS })
}

export interface Queues {
  /** Adding the same hash again while its job lives changes nothing. */
  add(hash: string, queue: string): Promise<void>
  /** A job that waits for its time runs now; one that is gone is added again; one that is worked on is left alone. */
  wake(hash: string, queue: string): Promise<void>
  /** Takes a job out that nobody works on (any more). */
  remove(hash: string, queue: string): Promise<void>
  /** 1 is next; null when it does not wait in this queue. */
  position(hash: string, queue: string): Promise<number | null>
  stop(): Promise<void>
}

export function createQueues({
  redis,
  prefix,
  log,
}: {
  redis: RedisClient
  prefix: string
  log: Log
}): Queues {
  const queues = new Map(allQueues().map((name) => [name, openQueue(name)]))

  function openQueue(name: string): Queue<JobData> {
    const queue = new Queue<JobData>(name, {
      connection: redis,
      prefix,
      skipWaitingForReady: true,
      streams: { events: { maxLen: EVENTS_KEPT } },
      defaultJobOptions: {
        removeOnComplete: true,
        removeOnFail: true,
        stackTraceLimit: 1,
      },
    })
    queue.on('error', (error) => log.debug({ err: error, queue: name }, 'a queue lost its connection'))
    return queue
  }

  const find = (name: string): Queue<JobData> => {
    const queue = queues.get(name)
    if (!queue) throw new Error(`no service uses the queue "${name}"`)
    return queue
  }

  const add = async (hash: string, queue: string): Promise<void> => {
    await find(queue).add('request', { hash }, { jobId: hash })
  }

  return {
    add,
    async wake(hash, queue) {
      const job = await find(queue).getJob(hash)
      if (!job) return add(hash, queue)
      // Not delayed: somebody works on it or is about to, and will see for themselves.
      if (await job.isDelayed()) await job.promote().catch(() => {})
    },
    async remove(hash, queue) {
      // A job that somebody works on is locked; its worker hears of the end by itself.
      await find(queue).remove(hash)
    },
    async position(hash, queue) {
      const waiting = find(queue).toKey('wait')
      // New jobs enter the list on the left and leave it on the right.
      const [index, length] = await Promise.all([redis.lpos(waiting, hash), redis.llen(waiting)])
      return index === null ? null : length - index
    },
    async stop() {
      await Promise.all([...queues.values()].map((queue) => queue.close()))
    },
  }
}
