/**
 * What holds for a queue over all workers together: how many run at once, how many begin in a time, and for how long
 * nothing is begun at all. It lies in Redis; one that comes back empty is given it again by every process that has set it.
 */
import type { Queue } from 'bullmq'
import type { ServiceQueue } from '../catalog/queue-definitions.ts'
import type { RedisClient } from '../redis/connect.ts'
import { replacingWrongTypes } from '../redis/wrong-type.ts'
import type { Log } from '../runtime/log.ts'

/** BullMQ's event streams are not read here: keep them short. */
export const EVENTS_KEPT = 100
/** More than anybody begins: a limit that is only there so that a queue can be held. */
const ANY_NUMBER = 1_000_000_000
/** What BullMQ's `rateLimit()` sets its counter to; an ordinary window counts no further than its own limit. */
const RATE_LIMITED = Number.MAX_SAFE_INTEGER
/** How long a Redis that was emptied under a living connection may be without limits. */
const CHECK_EVERY_MS = 2_000

export interface QueueLimits {
  /** Sets the limits of all queues, and from now on again where they are missing. */
  set(): Promise<void>
  hold(queue: ServiceQueue, ms: number): Promise<void>
  stop(): void
}

export function createQueueLimits({
  redis,
  log,
  services,
  find,
}: {
  redis: RedisClient
  log: Log
  services: readonly ServiceQueue[]
  find: (queue: ServiceQueue) => Queue
}): QueueLimits {
  /** Until when this process has held each queue, by the monotonic clock. */
  const heldUntil = new Map<string, number>()
  let isKept = false
  let timer: NodeJS.Timeout | undefined

  async function setOne(limits: ServiceQueue): Promise<void> {
    const queue = find(limits)
    const { requests, seconds } = limits.rate ?? { requests: ANY_NUMBER, seconds: 1 }
    await redis.hset(queue.toKey('meta'), 'opts.maxLenEvents', EVENTS_KEPT)
    await queue.setGlobalRateLimit(requests, seconds * 1000)
    if (limits.maxConcurrent === undefined) await queue.removeGlobalConcurrency()
    else await queue.setGlobalConcurrency(limits.maxConcurrent)
  }

  async function holdOne({ name }: Pick<ServiceQueue, 'name'>): Promise<void> {
    const restMs = Math.ceil((heldUntil.get(name) ?? 0) - performance.now())
    if (restMs <= 0) return void heldUntil.delete(name)
    const queue = find({ name })
    const presentMs = await replacingWrongTypes(redis, { [queue.toKey('limiter')]: 'string' }, () =>
      queue.getRateLimitTtl(RATE_LIMITED),
    )
    // rateLimit() also shortens: a longer hold of another process stays.
    if (presentMs < restMs) await queue.rateLimit(restMs)
  }

  /** Only what is missing: while a new version is deployed, processes of the old one must not undo its limits. */
  async function restoreOne(limits: ServiceQueue): Promise<void> {
    const isMissing = (await redis.hexists(find(limits).toKey('meta'), 'max')) === 0
    if (isMissing) await setOne(limits)
    await holdOne(limits)
  }

  function restore(): void {
    Promise.all(services.map(restoreOne)).catch((error: unknown) =>
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
    async set() {
      keep()
      await Promise.all(services.map(setOne))
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
