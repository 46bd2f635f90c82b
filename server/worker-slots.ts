/** How many requests of a queue all worker processes run at once, read again every few seconds while it is asked for. */
import type { RedisClient } from '../core/redis/connect.ts'
import { readWorkerProcesses, type WorkerProcess } from '../core/store/worker-processes.ts'

/** Workers give a sign of life as often. */
const CACHED_MS = 5_000

/** @returns null before the first read, for a queue without a worker, and while a worker of an older version takes the queue */
export function createWorkerSlots({
  redis,
  now,
  onError,
}: {
  redis: RedisClient
  now: () => number
  /** After an error the last slots that were read are kept. */
  onError: (error: unknown) => void
}): (queue: string) => number | null {
  let readAt = Number.NEGATIVE_INFINITY
  let processes: readonly WorkerProcess[] = []

  function refresh(): void {
    if (now() - readAt < CACHED_MS) return
    readAt = now()
    readWorkerProcesses(redis, now()).then((read) => {
      processes = read
    }, onError)
  }

  return (queue) => {
    refresh()
    const taking = processes.filter((one) => !one.isSilent && mayTake(one, queue))
    const slots = taking.reduce<number | null>(
      (sum, { slots }) => (sum === null || slots === null ? null : sum + slots),
      0,
    )
    return slots || null
  }
}

/** A process with many queues does not list them all. */
const mayTake = ({ queues, queueCount }: WorkerProcess, queue: string): boolean =>
  queues.includes(queue) || queueCount > queues.length
