/**
 * A processor: takes tasks of the redis driver, runs them in threads of its own, and sends back how they ended. Any number
 * of them may run, on any number of machines; the tasks of one that is killed are run again elsewhere.
 */
import { type Job, Worker } from 'bullmq'
import { blockingOptions, capBlockTimeout } from '../queue/queues.ts'
import type { RedisClient } from '../redis/connect.ts'
import type { Log } from '../runtime/log.ts'
import type { Driver } from './drivers/driver.ts'
import {
  type ConcurrencyNames,
  QUEUE,
  RENEW_EVERY_MS,
  REPLY_TTL_MS,
  type TaskMessage,
  type TaskReply,
} from './protocol.ts'
import { type TaskError, taskError } from './task-errors.ts'
import { decodeResult, encodeFailure } from './task-result.ts'

export interface ProcessorOptions {
  redis: RedisClient
  names: ConcurrencyNames
  /** Where tasks are run: a pool, so that one that never ends can be ended. */
  pool: Driver
  concurrency: number
  /** Seconds between two looks at an empty queue; a task that comes is taken at once. */
  sleepSeconds: number
  /** How often a task is begun at most, when processors die with it. */
  tries: number
  log: Log
}

export interface Processor {
  /** Whether no task runs. */
  isIdle(): boolean
  /** Takes nothing new, and resolves once what runs has ended. */
  stop(): Promise<void>
}

/** Soon enough that a killed processor is not missed for long, and not so short that a busy one loses its tasks. */
const LOCK_MS = 6_000
const LOOK_EVERY_MS = 1_000
const SIGN_LIVES_MS = 8_000
/** Nobody reads faster. */
const PROGRESS_EVERY_MS = 100

interface Running {
  message: TaskMessage
  /** Since when its caller is not heard of, milliseconds. */
  missingSince: number | null
  abort: AbortController
}

export function startProcessor({
  redis,
  names,
  pool,
  concurrency,
  sleepSeconds,
  tries,
  log,
}: ProcessorOptions): Processor {
  const running = new Map<string, Running>()
  let failed = 0
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
  worker.on('error', (error) => log.debug({ err: error }, 'the queue of tasks stumbled'))
  worker.on('failed', (job) => {
    // Given up by BullMQ: whoever ran it died, too often.
    if (job?.deferredFailure) void failLost(job.id as string)
  })

  async function process({ id }: Job): Promise<void> {
    const message = await find(id as string)
    if (!message) return
    const wanted = await isWanted(id as string, message)
    // What it was given goes, too: a caller that lives after all sees by that that it is lost.
    if (wanted !== 'yes') return void (await redis.del(names.task(id as string)))
    const abort = new AbortController()
    running.set(id as string, { message, abort, missingSince: null })
    try {
      await finish(id as string, message, await outcomeOf(id as string, message, abort.signal))
    } finally {
      running.delete(id as string)
    }
  }

  async function outcomeOf(
    id: string,
    { name, args, timeout, caller }: TaskMessage,
    signal: AbortSignal,
  ): Promise<string> {
    let reportedAt = 0
    const onProgress = (progress: number): void => {
      if (caller === null || performance.now() - reportedAt < PROGRESS_EVERY_MS) return
      reportedAt = performance.now()
      send(caller, { id, progress }).catch(() => {})
    }
    try {
      return await pool.run({ name, args, signal, timeout, detached: caller === null, onProgress })
    } catch (thrown) {
      return encodeFailure(name, thrown)
    }
  }

  async function finish(id: string, { name, caller }: TaskMessage, outcome: string): Promise<void> {
    if (caller === null) logFailure(name, outcome)
    if (caller === null) await redis.del(names.task(id))
    else await send(caller, { id, outcome })
  }

  /** Nobody else will hear of it. */
  function logFailure(name: string, outcome: string): void {
    try {
      decodeResult(name, outcome)
    } catch (error) {
      failed++
      log.warn(
        { err: error, task: name, code: (error as TaskError).code },
        'a task that was put off has failed',
      )
    }
  }

  /** With the end of a task goes what it was given: nothing of it is left once its caller has read the letter. */
  async function send(caller: string, letter: TaskReply): Promise<void> {
    const replies = names.replies(caller)
    const sending = redis.multi().rpush(replies, JSON.stringify(letter)).pexpire(replies, REPLY_TTL_MS)
    if ('outcome' in letter) sending.del(names.task(letter.id))
    await sending.exec()
  }

  const find = async (id: string): Promise<TaskMessage | null> => {
    const json = await redis.get(names.task(id))
    return json === null ? null : (JSON.parse(json) as TaskMessage)
  }

  /** `no`: its caller has given it up. `unknown`: nothing is heard of its caller. */
  async function isWanted(id: string, { caller }: TaskMessage): Promise<'yes' | 'no' | 'unknown'> {
    const [isAborted, lives] = await Promise.all([
      redis.exists(names.aborted(id)),
      caller === null ? 1 : redis.exists(names.lease(caller)),
    ])
    if (isAborted === 1) return 'no'
    return lives === 1 ? 'yes' : 'unknown'
  }

  /** After a Redis that was away, a caller that lives has first to say so again. */
  async function checkCaller(id: string, one: Running): Promise<void> {
    const wanted = await isWanted(id, one.message)
    one.missingSince = wanted === 'unknown' ? (one.missingSince ?? Date.now()) : null
    const missingOnce = one.missingSince !== null && Date.now() - one.missingSince > RENEW_EVERY_MS
    if (wanted === 'no' || missingOnce) one.abort.abort()
  }

  async function failLost(id: string): Promise<void> {
    const message = await find(id)
    if (!message) return
    const error = taskError(message.name, 'task_lost', `whoever ran it died, ${tries} times.`)
    await finish(id, message, encodeFailure(message.name, error))
  }

  async function heartbeat(): Promise<void> {
    await redis.set(names.processors, '1', 'PX', SIGN_LIVES_MS)
    await Promise.all([...running].map(([id, one]) => checkCaller(id, one)))
  }
  const looking = setInterval(
    () => void heartbeat().catch((error: unknown) => log.debug({ err: error }, 'could not look after tasks')),
    LOOK_EVERY_MS,
  )
  heartbeat().catch(() => {})

  return {
    isIdle: () => running.size === 0,
    async stop() {
      await worker.close()
      clearInterval(looking)
      log.info({ failed }, 'processor has finished; of what was put off, so many have failed')
    },
  }
}
