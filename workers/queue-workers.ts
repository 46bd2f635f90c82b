/** The workers of a process: one for each queue that a service uses. They come and go with the services. */
import { type Catalog, queuesOf } from '../core/catalog/catalog.ts'
import type { ServiceQueue } from '../core/catalog/queue-definition.ts'
import type { Log } from '../core/runtime/log.ts'
import type { RequestWorker } from './request-worker.ts'

export interface QueueWorkers {
  /** Queues whose jobs are taken. */
  taken(): string[]
  isIdle(): boolean
  /** How many jobs each queue's worker runs. */
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
  open: (queue: ServiceQueue) => RequestWorker
  log: Log
}): QueueWorkers {
  const workers = new Map<string, RequestWorker>()
  let isStopping = false

  function follow(): void {
    if (isStopping) return
    const selected = queuesOf(catalog).filter(({ name }) => only?.includes(name) ?? true)
    for (const queue of selected) {
      if (workers.has(queue.name)) continue
      workers.set(queue.name, open(queue))
      log.info({ queue: queue.name }, 'taking the jobs of a queue')
    }
    for (const [name, worker] of workers) {
      if (selected.some((queue) => queue.name === name)) continue
      workers.delete(name)
      void worker.stop()
      log.info({ queue: name }, 'no service uses a queue any more')
    }
  }

  const forAll = async (end: (worker: RequestWorker) => Promise<void>): Promise<void> => {
    isStopping = true
    await Promise.all([...workers.values()].map(end))
  }

  follow()
  catalog.onChange(follow)
  return {
    taken: () => [...workers].filter(([, worker]) => worker.isConsuming()).map(([name]) => name),
    isIdle: () => [...workers.values()].every((worker) => worker.isIdle()),
    running: () => [...workers].map(([name, worker]) => [name, worker.running()]),
    finish: () => forAll((worker) => worker.finish()),
    stop: () => forAll((worker) => worker.stop()),
  }
}
