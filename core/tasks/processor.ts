/**
 * A processor: takes tasks of the redis driver, runs them in its own pool of threads, and replies with their results. Any
 * number may run, on any number of machines; the tasks of a processor that is killed run again elsewhere.
 */
import { type Job, Worker } from 'bullmq'
import { blockingOptions, capBlockTimeout } from '../queue/bullmq.ts'
import type { RedisClient } from '../redis/connect.ts'
import type { Log } from '../runtime/log.ts'
import type { Driver } from './drivers/driver.ts'
import { type ConcurrencyNames, QUEUE, RENEW_INTERVAL_MS, type TaskMessage } from './protocol.ts'
import { type TaskError, taskError } from './task-errors.ts'
import { decodeResult, encodeFailure } from './task-result.ts'
import { createTaskStorage, type TaskStorage } from './task-storage.ts'

export interface ProcessorOptions {
  redis: RedisClient
  names: ConcurrencyNames
  /** Where tasks run: a pool, because it can end a task that ignores its signal. */
  pool: Driver
  concurrency: number
  /** How long one blocking read of an empty queue lasts; a new task ends it immediately. */
  sleepSeconds: number
  /** How often a task is started at most, when processors die while they run it. */
  tries: number
  log: Log
}

export interface Processor {
  /** Whether no task runs. */
  isIdle(): boolean
  /** Takes no new task, and resolves once the running ones have ended. */
  stop(): Promise<void>
}

/** Short enough to detect a killed processor soon, long enough that a busy one does not lose its tasks. */
const LOCK_MS = 6_000
const HEARTBEAT_INTERVAL_MS = 1_000
const HEARTBEAT_TTL_MS = 8_000
const PROGRESS_INTERVAL_MS = 100

interface RunningTask {
  message: TaskMessage
  /** Since when its caller's lease is missing, milliseconds since 1970. */
  missingSince: number | null
  abort: AbortController
}

export function startProcessor(options: ProcessorOptions): Processor {
  const { pool, tries, log } = options
  const running = new Map<string, RunningTask>()
  const storage = createTaskStorage(options)
  let failed = 0
  const worker = openWorker(options, process)
  worker.on('failed', (job) => {
    // BullMQ gave it up: processors that ran it died too often.
    if (job?.deferredFailure) void failLost(job.id as string)
  })

  async function process({ id = '' }: Job): Promise<void> {
    const message = await storage.read(id)
    if (!message) return
    // A caller that lives after all sees by the missing key that its task is lost.
    if ((await storage.demand(id, message)) !== 'wanted') return storage.delete(id)
    const abort = new AbortController()
    running.set(id, { message, abort, missingSince: null })
    try {
      await finish(id, message, await runTask(id, message, abort.signal))
    } finally {
      running.delete(id)
    }
  }

  /** @returns a TaskResult as JSON */
  async function runTask(id: string, message: TaskMessage, signal: AbortSignal): Promise<string> {
    const { name, args, timeout, caller } = message
    try {
      const onProgress = createProgressReporter(storage, id, caller)
      return await pool.run({ name, args, signal, timeout, detached: caller === null, onProgress })
    } catch (thrown) {
      return encodeFailure(name, thrown)
    }
  }

  async function finish(id: string, { name, caller }: TaskMessage, outcome: string): Promise<void> {
    if (caller !== null) return storage.reply(caller, { id, outcome })
    logFailure(name, outcome)
    await storage.delete(id)
  }

  /** A detached task has no caller that could report its failure. */
  function logFailure(name: string, outcome: string): void {
    try {
      decodeResult(name, outcome)
    } catch (error) {
      failed++
      log.warn(
        { handler_err: error, task: name, code: (error as TaskError).code },
        'a deferred task has failed',
      )
    }
  }

  async function failLost(id: string): Promise<void> {
    const message = await storage.read(id)
    if (!message) return
    const error = taskError(message.name, 'task_lost', `each processor that ran it died, ${tries} times.`)
    await finish(id, message, encodeFailure(message.name, error))
  }

  const heartbeat = startHeartbeat(options, storage, running)
  return {
    isIdle: () => running.size === 0,
    async stop() {
      await worker.close()
      heartbeat.stop()
      log.info({ failed }, 'processor has stopped; `failed` counts deferred tasks')
    },
  }
}

function openWorker(
  { redis, names, concurrency, sleepSeconds, tries, log }: ProcessorOptions,
  process: (job: Job) => Promise<void>,
): Worker {
  const worker = new Worker(QUEUE, process, {
    connection: redis,
    prefix: names.queues,
    concurrency,
    ...blockingOptions(sleepSeconds),
    removeOnComplete: { count: 0 },
    removeOnFail: { count: 0 },
    lockDuration: LOCK_MS,
    stalledInterval: LOCK_MS / 2,
    maxStalledCount: tries - 1,
  })
  capBlockTimeout(worker, sleepSeconds)
  worker.on('error', (error) => log.debug({ err: error }, 'the task queue reported an error'))
  return worker
}

/** Replies with a task's progress, at most once each PROGRESS_INTERVAL_MS. */
function createProgressReporter(storage: TaskStorage, id: string, caller: string | null) {
  let reportedAt = 0
  return (progress: number): void => {
    if (caller === null || performance.now() - reportedAt < PROGRESS_INTERVAL_MS) return
    reportedAt = performance.now()
    storage.reply(caller, { id, progress }).catch(() => {})
  }
}

/** Announces this processor, and aborts running tasks whose result is no longer wanted. */
function startHeartbeat(
  { redis, names, log }: ProcessorOptions,
  storage: TaskStorage,
  running: ReadonlyMap<string, RunningTask>,
): { stop(): void } {
  /** Callers get one interval to renew their lease, because after an outage of Redis all leases have expired. */
  async function checkCaller(id: string, one: RunningTask): Promise<void> {
    const demand = await storage.demand(id, one.message)
    one.missingSince = demand === 'caller_missing' ? (one.missingSince ?? Date.now()) : null
    const isCallerDead = one.missingSince !== null && Date.now() - one.missingSince > RENEW_INTERVAL_MS
    if (demand === 'aborted' || isCallerDead) one.abort.abort()
  }

  async function beat(): Promise<void> {
    await redis.set(names.processors, '1', 'PX', HEARTBEAT_TTL_MS)
    await Promise.all([...running].map(([id, one]) => checkCaller(id, one)))
  }
  beat().catch(() => {})
  const timer = setInterval(
    () => void beat().catch((error: unknown) => log.debug({ err: error }, 'a heartbeat has failed')),
    HEARTBEAT_INTERVAL_MS,
  )
  return { stop: () => clearInterval(timer) }
}
