/** What a worker process counts of its jobs. */
import { createLabelLimit } from '../core/runtime/label-limit.ts'
import type { Metrics } from '../core/runtime/metrics.ts'
import type { QueueWorkers } from './queue-workers.ts'

export interface WorkerMetrics {
  /** @returns counts a job that the worker of this queue has taken */
  openQueue(name: string): () => void
  /** Exports how many jobs run. */
  follow(workers: Pick<QueueWorkers, 'running'>, concurrency: number): void
}

export function createWorkerMetrics(metrics: Metrics): WorkerMetrics {
  const { workerJobs, workerRunning, workerConcurrency, onScrape } = metrics
  const limit = createLabelLimit()
  return {
    openQueue(name) {
      const jobs = workerJobs.labels(limit(name))
      jobs.inc(0)
      return () => jobs.inc()
    },
    follow(workers, concurrency) {
      onScrape(() => {
        workerRunning.reset()
        workerConcurrency.reset()
        for (const [name, running] of workers.running()) {
          const queue = limit(name)
          workerRunning.inc({ queue }, running)
          workerConcurrency.inc({ queue }, concurrency)
        }
      })
    },
  }
}
