/**
 * The limits of a queue over all workers: concurrency, starts in a time window, and holds. They are stored in Redis; a
 * Redis that comes back empty gets them again from every process that has set them.
 */
import type { Queue } from 'bullmq'
import type { ServiceQueue } from '../catalog/queue-definition.ts'
import type { RedisClient } from '../redis/connect.ts'
import { retryWithoutWrongTypes } from '../redis/wrong-type.ts'
import type { Log } from '../runtime/log.ts'
import { keysOf, MAX_EVENTS, RATE_LIMITED } from './bullmq.ts'

/** BullMQ holds only queues with a rate limit; this one is never reached. */
const UNLIMITED = 1_000_000_000
/** How long a Redis that was emptied without a reconnect may be without limits. */
const CHECK_EVERY_MS = 2_000

export interface QueueLimits {
  /** Sets the limits of all queues, and sets them again where they are missing. */
  set(): Promise<void>
  setOne(queue: ServiceQueue): Promise<void>
  hold(queue: ServiceQueue, ms: number): Promise<void>
  stop(): void
}

export function createQueueLimits({
  redis,
  log,
  queues,
  find,
}: {
  redis: RedisClient
  log: Log
  /** The queues that exist at present. */
  queues: () => readonly ServiceQueue[]
  find: (queue: ServiceQueue) => Queue
}): QueueLimits {
  /** When this process's hold of each queue ends, by the monotonic clock. */
  const heldUntil = new Map<string, number>()
  let isKept = false
  let timer: NodeJS.Timeout | undefined

  async function setOne(limits: ServiceQueue): Promise<void> {
    const queue = find(limits)
    const { requests, seconds } = limits.rate ?? { requests: UNLIMITED, seconds: 1 }
    await redis.hset(keysOf(queue).meta, 'opts.maxLenEvents', MAX_EVENTS)
    await queue.setGlobalRateLimit(requests, seconds * 1000)
    if (limits.concurrency === undefined) await queue.removeGlobalConcurrency()
    else await queue.setGlobalConcurrency(limits.concurrency)
  }

  async function holdOne({ name }: Pick<ServiceQueue, 'name'>): Promise<void> {
    const restMs = Math.ceil((heldUntil.get(name) ?? 0) - performance.now())
    if (restMs <= 0) return void heldUntil.delete(name)
    const queue = find({ name })
    const presentMs = await retryWithoutWrongTypes(redis, { [keysOf(queue).limiter]: 'string' }, () =>
      queue.getRateLimitTtl(RATE_LIMITED),
    )
    // rateLimit() also shortens: a longer hold of another process stays.
    if (presentMs < restMs) await queue.rateLimit(restMs)
  }

  /** Sets only missing limits: during a rolling deploy, old processes must not undo the limits of new ones. */
  async function restoreOne(limits: ServiceQueue): Promise<void> {
    const isMissing = (await redis.hexists(keysOf(find(limits)).meta, 'max')) === 0
    if (isMissing) await setOne(limits)
    await holdOne(limits)
  }

  function restore(): void {
    Promise.all(queues().map(restoreOne)).catch((error: unknown) =>
      log.debug({ err: error }, 'the limits of the queues were not restored'),
    )
  }

  function keep(): void {
    if (isKept) return
    isKept = true
    redis.on('ready', restore)
    timer = setInterval(restore, CHECK_EVERY_MS).unref()
  }

  return {
    setOne,
    async set() {
      keep()
      await Promise.all(queues().map(setOne))
    },
    async hold({ name }, ms) {
      heldUntil.set(name, Math.max(heldUntil.get(name) ?? 0, performance.now() + ms))
      await holdOne({ name })
    },
    stop() {
      clearInterval(timer)
      redis.off('ready', restore)
    },
  }
}
