/** One BullMQ worker on one lane of a queue: takes its jobs, hands them to the job handler, and stops within a time limit. */
import { setMaxListeners } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { Worker } from 'bullmq'
import type { ServiceQueue } from '../core/catalog/queue-definition.ts'
import { AppError } from '../core/domain/errors.ts'
import { shortReference } from '../core/domain/short-reference.ts'
import type { JobData } from '../core/queue/bullmq.ts'
import {
  BLOCK_SECONDS,
  blockingOptions,
  capBlockTimeout,
  hashOf,
  type RequestJob,
  slowDownAfterErrors,
} from '../core/queue/bullmq.ts'
import { countRunning } from '../core/redis/away.ts'
import type { RedisClient } from '../core/redis/connect.ts'
import type { Log } from '../core/runtime/log.ts'
import type { RequestStore } from '../core/store/request-store.ts'
import { WORKER_LOST } from './failure-reasons.ts'
import { createJobHandler, delayOnError, type JobHandlerDeps } from './job-handler.ts'

export interface RequestWorkerDeps extends Omit<JobHandlerDeps, 'stopping' | 'closing'> {
  queue: ServiceQueue
  /** The lane of the queue whose jobs it takes; by default the first. */
  lane?: string
  /** Called with each job that is taken. */
  onJob?: () => void
  redis: RedisClient
  concurrency: number
  /** How long one blocking call waits for a job. */
  sleepSeconds?: number
  /** How long running jobs may continue after `stop()`. */
  drainMs: number
  /** A worker that has not renewed the lock of a job for this long loses the job to another one. */
  lockMs?: number
}

export interface RequestWorker {
  isConsuming(): boolean
  isIdle(): boolean
  /** How many jobs it runs. */
  running(): number
  /** Accepts no further jobs. Resolves once the running ones have ended, however long that takes. */
  finish(): Promise<void>
  /** The same, but an attempt that takes longer than `drainMs` is aborted and left to another worker. */
  stop(): Promise<void>
}

/** Renewed and checked four times in this time: jobs of a killed worker continue after 25 s, and a pause of Redis of 10 s loses none. */
const LOCK_MS = 20_000
const LOCK_RENEWALS = 4

export function createRequestWorker(deps: RequestWorkerDeps): RequestWorker {
  const { store, log, lockMs = LOCK_MS } = deps
  const stopping = new AbortController()
  // Each running attempt adds a listener.
  setMaxListeners(0, stopping.signal)
  const closing = new AbortController()
  setMaxListeners(0, closing.signal)
  const handleJob = createJobHandler({ ...deps, stopping: stopping.signal, closing: closing.signal })
  const { run, isIdle, running } = countRunning(
    delayOnError(handleJob, { log, stopping: stopping.signal, lockMs }),
  )
  const worker = openWorker(deps, lockMs, run)
  worker.on('active', () => deps.onJob?.())
  worker.on('error', (error) => log.debug({ err: error }, 'queue connection error'))
  // BullMQ itself fails a job only after too many stalls: no worker will get it again.
  worker.on('failed', (job) => job?.deferredFailure && void failLostRequest(store, hashOf(job), log))

  const close = (): Promise<void> => {
    closing.abort(new AppError('worker_stopping'))
    return worker.close()
  }
  return {
    isConsuming: () => !closing.signal.aborted && worker.isRunning() && !worker.isPaused(),
    isIdle,
    running,
    finish: close,
    async stop() {
      const closed = close()
      const timeout = new AbortController()
      const aborting = sleep(deps.drainMs, undefined, { signal: timeout.signal }).then(
        () => stopping.abort(new AppError('worker_stopping')),
        () => {},
      )
      await closed
      timeout.abort()
      await aborting
    },
  }
}

function openWorker(
  { queue, lane = queue.name, redis, concurrency, sleepSeconds = BLOCK_SECONDS, tracing }: RequestWorkerDeps,
  lockMs: number,
  run: (job: RequestJob) => Promise<void>,
): Worker<JobData> {
  const worker = new Worker<JobData>(lane, run, {
    connection: redis,
    prefix: redis.names.queue(lane),
    concurrency,
    telemetry: tracing?.queueTelemetry,
    ...blockingOptions(sleepSeconds),
    removeOnComplete: { count: 0 },
    removeOnFail: { count: 0 },
    lockDuration: lockMs,
    lockRenewTime: lockMs / LOCK_RENEWALS,
    stalledInterval: lockMs / LOCK_RENEWALS,
    maxStalledCount: 3,
  })
  capBlockTimeout(worker, sleepSeconds)
  slowDownAfterErrors(worker)
  return worker
}

async function failLostRequest(store: RequestStore, hash: string, log: Log): Promise<void> {
  try {
    await store.apply(hash, { type: 'fail', ...WORKER_LOST })
  } catch (error) {
    log.warn({ err: error, request: shortReference(hash) }, 'could not fail the request of a lost job')
  }
}
