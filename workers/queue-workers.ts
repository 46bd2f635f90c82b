/** The workers of a process: one for each lane of a queue that a service uses. They come and go with the services. */
import { type Catalog, queuesOf } from '../core/catalog/catalog.ts'
import type { ServiceQueue } from '../core/catalog/queue-definition.ts'
import { laneNames } from '../core/queue/lanes.ts'
import type { Log } from '../core/runtime/log.ts'
import type { RequestWorker } from './request-worker.ts'

export interface QueueWorkers {
  /** Queues whose jobs are taken. */
  taken(): string[]
  isIdle(): boolean
  /** How many jobs the workers of each queue run. */
  running(): [queue: string, jobs: number][]
  /** Accepts no further jobs. Resolves once the running ones have ended. */
  finish(): Promise<void>
  /** The same, within the drain time. */
  stop(): Promise<void>
}

export function createQueueWorkers({
  catalog,
  only,
  open,
  log,
}: {
  catalog: Catalog & { onChange(listener: () => void): void }
  /** The queues to take jobs from; undefined for all. */
  only: readonly string[] | undefined
  /** Opens the worker of one lane. */
  open: (queue: ServiceQueue, lane: string) => RequestWorker
  log: Log
}): QueueWorkers {
  /** By lane. */
  const workers = new Map<string, { queue: string; worker: RequestWorker }>()
  let isStopping = false

  function follow(): void {
    if (isStopping) return
    const selected = queuesOf(catalog)
      .filter(({ name }) => only?.includes(name) ?? true)
      .flatMap((queue) => laneNames(queue).map((lane) => ({ queue, lane })))
    for (const { queue, lane } of selected) {
      if (workers.has(lane)) continue
      workers.set(lane, { queue: queue.name, worker: open(queue, lane) })
      log.info({ queue: lane }, 'taking the jobs of a queue')
    }
    for (const [lane, { worker }] of workers) {
      if (selected.some((one) => one.lane === lane)) continue
      workers.delete(lane)
      void worker.stop()
      log.info({ queue: lane }, 'no service uses a queue any more')
    }
  }

  const forAll = async (end: (worker: RequestWorker) => Promise<void>): Promise<void> => {
    isStopping = true
    await Promise.all([...workers.values()].map(({ worker }) => end(worker)))
  }

  follow()
  catalog.onChange(follow)
  return {
    taken() {
      const consuming = [...workers.values()].filter(({ worker }) => worker.isConsuming())
      return [...new Set(consuming.map(({ queue }) => queue))]
    },
    isIdle: () => [...workers.values()].every(({ worker }) => worker.isIdle()),
    running() {
      const jobs = new Map<string, number>()
      for (const { queue, worker } of workers.values())
        jobs.set(queue, (jobs.get(queue) ?? 0) + worker.running())
      return [...jobs]
    },
    finish: () => forAll((worker) => worker.finish()),
    stop: () => forAll((worker) => worker.stop()),
  }
}
