/**
 * `redis`: runs tasks on any machine with a processor. BullMQ hands them out, and takes them back from a processor that
 * dies. Progress and results arrive in this caller's own reply list, which deletes what is read.
 */
import { Queue } from 'bullmq'
import { nanoid } from 'nanoid'
import type { RedisClient } from '../../redis/connect.ts'
import type { Log } from '../../runtime/log.ts'
import {
  type ConcurrencyNames,
  LEASE_MS,
  QUEUE,
  RENEW_INTERVAL_MS,
  TASK_TTL_MS,
  type TaskMessage,
  type TaskReply,
} from '../protocol.ts'
import { taskError } from '../task-errors.ts'
import { encodeSuccess } from '../task-result.ts'
import type { Driver, DriverCall } from './driver.ts'

export interface RedisDriverOptions {
  redis: RedisClient
  /** A connection used only to wait for replies. */
  blocking: RedisClient
  names: ConcurrencyNames
  log: Log
  /** A task fails with `no_processor` once there has been no processor for this long. */
  noProcessorTimeoutMs?: number
}

const NO_PROCESSOR_TIMEOUT_MS = 10_000
/** Shorter than the silence after which a connection counts as dead (core/redis/connect.ts). */
const REPLY_WAIT_SECONDS = 2
const ABORTED_TTL_MS = 60_000

interface PendingCall {
  call: DriverCall
  /** Milliseconds since 1970. */
  startedAt: number
  isQueued: boolean
  /** The task's key was missing at the last check. */
  missingOnce: boolean
  resolve(outcome: string): void
  reject(error: Error): void
}

export function createRedisDriver(options: RedisDriverOptions): Driver {
  const { redis, names, log } = options
  const caller = nanoid()
  const queue = openQueue(options)
  const pending = new Map<string, PendingCall>()
  const lease = createLease(redis, names.lease(caller))

  /** Removes a task that waits, and has the processor abort one that runs. */
  async function abandon(id: string): Promise<void> {
    try {
      await redis.set(names.aborted(id), '1', 'PX', ABORTED_TTL_MS)
      await Promise.all([redis.del(names.task(id)), queue.remove(id)])
    } catch (error) {
      // The task ends all the same, with the caller's lease or with its own timeout.
      log.debug({ err: error }, 'a task could not be abandoned')
    }
  }

  async function enqueue(id: string, { name, args, timeout, detached }: DriverCall): Promise<void> {
    const message: TaskMessage = { name, args, timeout, caller: detached ? null : caller }
    // The processor that takes the task checks that its caller lives.
    if (!detached) await lease.ensure()
    const key = names.task(id)
    await redis.set(key, redis.box.seal(key, JSON.stringify(message)), 'PX', TASK_TTL_MS + timeout * 1000)
    await queue.add('task', {}, { jobId: id })
    const one = pending.get(id)
    if (one) one.isQueued = true
  }

  const checks = startChecks(options, { lease, pending, abandon })
  const replies = startReplyReader(options, names.replies(caller), (reply) => {
    const one = pending.get(reply.id)
    if ('progress' in reply) one?.call.onProgress?.(reply.progress)
    else one?.resolve(reply.outcome)
  })
  return {
    async run(call) {
      const { name, detached, signal } = call
      if (signal.aborted) throw taskError(name, 'aborted', 'it was aborted.')
      const id = nanoid()
      const outcome = new Promise<string>((resolve, reject) =>
        pending.set(id, {
          call,
          startedAt: Date.now(),
          isQueued: false,
          missingOnce: false,
          resolve,
          reject,
        }),
      )
      outcome.catch(() => {})
      const abort = (): void => {
        pending.get(id)?.reject(taskError(name, 'aborted', 'it was aborted.'))
        void abandon(id)
      }
      signal.addEventListener('abort', abort, { once: true })
      try {
        await enqueue(id, call)
        // The processor logs how a detached task ends.
        return detached ? encodeSuccess('null') : await outcome
      } finally {
        pending.delete(id)
        signal.removeEventListener('abort', abort)
      }
    },
    async stop() {
      checks.stop()
      const repliesStopped = replies.stop()
      for (const [id, { call, reject }] of pending) {
        reject(taskError(call.name, 'aborted', 'its caller stops.'))
        void abandon(id)
      }
      await repliesStopped
      await redis.del(names.lease(caller), names.replies(caller)).catch(() => {})
      await queue.close()
    },
  }
}

function openQueue({ redis, names, log }: RedisDriverOptions): Queue {
  const queue = new Queue(QUEUE, {
    connection: redis,
    prefix: names.queues,
    skipWaitingForReady: true,
    streams: { events: { maxLen: 100 } },
    defaultJobOptions: { removeOnComplete: true, removeOnFail: true },
  })
  queue.on('error', (error) => log.debug({ err: error }, 'the task queue lost its connection'))
  return queue
}

interface Lease {
  renew(): Promise<void>
  /** Renews it unless that was done less than RENEW_INTERVAL_MS ago. */
  ensure(): Promise<void>
}

/** The key by which processors see that this caller lives. */
function createLease(redis: RedisClient, key: string): Lease {
  let renewedAt = Number.NEGATIVE_INFINITY
  async function renew(): Promise<void> {
    const at = performance.now()
    await redis.set(key, '1', 'PX', LEASE_MS)
    renewedAt = at
  }
  return {
    renew,
    ensure: async () => {
      if (performance.now() - renewedAt > RENEW_INTERVAL_MS) await renew()
    },
  }
}

/**
 * Renews the lease, and rejects calls that would wait forever: those of an installation without a processor, and those
 * whose task was lost with the data of a Redis.
 */
function startChecks(
  { redis, names, log, noProcessorTimeoutMs = NO_PROCESSOR_TIMEOUT_MS }: RedisDriverOptions,
  {
    lease,
    pending,
    abandon,
  }: { lease: Lease; pending: Map<string, PendingCall>; abandon(id: string): Promise<void> },
): { stop(): void } {
  /** Since when every check has found no processor. A check that Redis did not answer changes nothing. */
  let absentSince: number | null = null

  async function checkCall(id: string, one: PendingCall): Promise<void> {
    const { name } = one.call
    if (absentSince !== null && Date.now() - Math.max(absentSince, one.startedAt) > noProcessorTimeoutMs) {
      const detail = 'no processor takes tasks; start one: npm run concurrency:processor'
      one.reject(taskError(name, 'no_processor', detail))
      return abandon(id)
    }
    // The key is deleted in the transaction that sends the last reply: with no reply by the next check there is none.
    const isMissing = one.isQueued && (await redis.exists(names.task(id))) === 0
    if (isMissing && one.missingOnce)
      one.reject(taskError(name, 'task_lost', 'it is no longer stored anywhere.'))
    one.missingOnce = isMissing
  }

  async function checkAll(): Promise<void> {
    const [, processors] = await Promise.all([lease.renew(), redis.exists(names.processors)])
    absentSince = processors === 1 ? null : (absentSince ?? Date.now())
    await Promise.all([...pending].map(([id, one]) => checkCall(id, one)))
  }

  const timer = setInterval(
    () => void checkAll().catch((error: unknown) => log.debug({ err: error }, 'a lease was not renewed')),
    RENEW_INTERVAL_MS,
  )
  return { stop: () => clearInterval(timer) }
}

/** Reads the reply list until it is stopped. */
function startReplyReader(
  { blocking, log }: RedisDriverOptions,
  key: string,
  onReply: (reply: TaskReply) => void,
): { stop(): Promise<void> } {
  let stopped = false
  async function readReplies(): Promise<void> {
    while (!stopped) {
      try {
        const [, reply] = (await blocking.blpop(key, REPLY_WAIT_SECONDS)) ?? []
        const json = reply === undefined ? null : blocking.box.open(key, reply)
        if (json !== null) onReply(JSON.parse(json) as TaskReply)
      } catch (error) {
        if (stopped) return
        log.debug({ err: error }, 'replies could not be read')
        await new Promise((resolve) => setTimeout(resolve, 100))
      }
    }
  }
  const reading = readReplies()
  return {
    stop: () => {
      stopped = true
      return reading
    },
  }
}
