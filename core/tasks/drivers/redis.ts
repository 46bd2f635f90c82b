/**
 * `redis`: on any machine where a processor listens. BullMQ hands the tasks out and takes them back from who dies; results
 * come to this caller's own mailbox, from which they are gone when they are read.
 */
import { Queue } from 'bullmq'
import { nanoid } from 'nanoid'
import type { RedisClient } from '../../redis/connect.ts'
import type { Log } from '../../runtime/log.ts'
import {
  type ConcurrencyNames,
  LEASE_MS,
  QUEUE,
  RENEW_EVERY_MS,
  TASK_TTL_MS,
  type TaskMessage,
  type TaskReply,
} from '../protocol.ts'
import { taskError } from '../task-errors.ts'
import type { Driver, DriverCall } from './driver.ts'

export interface RedisDriverOptions {
  redis: RedisClient
  /** A connection that waits for letters and does nothing else. */
  blocking: RedisClient
  names: ConcurrencyNames
  log: Log
  /** After so long without any processor, tasks that wait are given up. */
  patienceMs?: number
}

const PATIENCE_MS = 10_000
/** Shorter than what is taken for a dead connection (core/redis/connect.ts). */
const WAIT_SECONDS = 2
const ABORTED_LIVES_MS = 60_000

interface PendingCall {
  call: DriverCall
  /** Milliseconds. */
  since: number
  isQueued: boolean
  /** It was not there when it was looked for last. */
  missingOnce: boolean
  resolve(outcome: string): void
  reject(error: Error): void
}

export function createRedisDriver({
  redis,
  blocking,
  names,
  log,
  patienceMs = PATIENCE_MS,
}: RedisDriverOptions): Driver {
  const caller = nanoid()
  const queue = new Queue(QUEUE, {
    connection: redis,
    prefix: names.queues,
    skipWaitingForReady: true,
    streams: { events: { maxLen: 100 } },
    defaultJobOptions: { removeOnComplete: true, removeOnFail: true },
  })
  queue.on('error', (error) => log.debug({ err: error }, 'the queue of tasks lost its connection'))
  const awaited = new Map<string, PendingCall>()
  let stopped = false
  /** Since when no processor was seen, of all the times that were looked: while Redis is away nothing is known. */
  let absentSince: number | null = null

  let leasedAt = Number.NEGATIVE_INFINITY
  async function lease(): Promise<void> {
    const at = performance.now()
    await redis.set(names.lease(caller), '1', 'PX', LEASE_MS)
    leasedAt = at
  }

  /** Nobody must wait for ever: not while nobody takes tasks, and not for a task that was lost with a Redis. */
  async function renew(): Promise<void> {
    const [, isThere] = await Promise.all([lease(), redis.exists(names.processors)])
    absentSince = isThere === 1 ? null : (absentSince ?? Date.now())
    await Promise.all([...awaited].map(([id, one]) => checkCaller(id, one)))
  }
  async function checkCaller(id: string, one: PendingCall): Promise<void> {
    const { name } = one.call
    if (absentSince !== null && Date.now() - Math.max(absentSince, one.since) > patienceMs) {
      const detail = 'no processor takes tasks; start one: npm run concurrency:processor'
      one.reject(taskError(name, 'no_processor', detail))
      return abandon(id)
    }
    // It goes in the same step as the letter about its end comes: without one by the next look, there is none.
    const isGone = one.isQueued && (await redis.exists(names.task(id))) === 0
    if (isGone && one.missingOnce) one.reject(taskError(name, 'task_lost', 'nobody has it any more.'))
    one.missingOnce = isGone
  }
  const renewing = setInterval(
    () => void renew().catch((error: unknown) => log.debug({ err: error }, 'a lease was not renewed')),
    RENEW_EVERY_MS,
  )

  async function readMailbox(): Promise<void> {
    while (!stopped) {
      try {
        const [, json] = (await blocking.blpop(names.replies(caller), WAIT_SECONDS)) ?? []
        if (json !== undefined) onReply(JSON.parse(json) as TaskReply)
      } catch (error) {
        if (stopped) return
        log.debug({ err: error }, 'the mailbox could not be read')
        await new Promise((resolve) => setTimeout(resolve, 100))
      }
    }
  }
  function onReply(letter: TaskReply): void {
    const waiting = awaited.get(letter.id)
    if ('progress' in letter) waiting?.call.onProgress?.(letter.progress)
    else waiting?.resolve(letter.outcome)
  }

  /** Nobody waits for it any more: what waits is taken out, what runs is told. */
  async function abandon(id: string): Promise<void> {
    try {
      await redis.set(names.aborted(id), '1', 'PX', ABORTED_LIVES_MS)
      await Promise.all([redis.del(names.task(id)), queue.remove(id)])
    } catch (error) {
      // The lease ends all the same, or its time does.
      log.debug({ err: error }, 'a task was not taken back')
    }
  }

  const reading = readMailbox()
  return {
    async run(call) {
      const id = nanoid()
      const { name, args, timeout, detached, signal } = call
      if (signal.aborted) throw taskError(name, 'aborted', 'it was aborted.')
      const message: TaskMessage = { name, args, timeout, caller: detached ? null : caller }
      const outcome = new Promise<string>((resolve, reject) =>
        awaited.set(id, { call, since: Date.now(), isQueued: false, missingOnce: false, resolve, reject }),
      )
      outcome.catch(() => {})
      const abort = (): void => {
        awaited.get(id)?.reject(taskError(name, 'aborted', 'it was aborted.'))
        void abandon(id)
      }
      signal.addEventListener('abort', abort, { once: true })
      try {
        // Whoever takes it must find that its caller lives.
        if (!detached && performance.now() - leasedAt > RENEW_EVERY_MS) await lease()
        await redis.set(names.task(id), JSON.stringify(message), 'PX', TASK_TTL_MS + timeout * 1000)
        await queue.add('task', {}, { jobId: id })
        const waiting = awaited.get(id)
        if (waiting) waiting.isQueued = true
        // Whoever runs it logs what becomes of it.
        return detached ? '{"ok":true,"value":null}' : await outcome
      } finally {
        awaited.delete(id)
        signal.removeEventListener('abort', abort)
      }
    },
    async stop() {
      stopped = true
      clearInterval(renewing)
      for (const [id, { call, reject }] of awaited) {
        reject(taskError(call.name, 'aborted', 'its caller stops.'))
        void abandon(id)
      }
      await reading
      await redis.del(names.lease(caller), names.replies(caller)).catch(() => {})
      await queue.close()
    },
  }
}
