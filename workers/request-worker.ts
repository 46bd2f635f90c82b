/**
 * Takes jobs of one queue: a job says which request waits, the record says everything else. The worker starts an
 * attempt, calls the bot, follows the request meanwhile, and writes how it ended. What waits (for the next attempt, for
 * a code) is put off until the record's time for it: BullMQ counts nothing, the record is the truth.
 */
import { setMaxListeners } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { DelayedError, Worker } from 'bullmq'
import type { OtpMailbox } from '../core/actions/otp-mailbox.ts'
import type { Service } from '../core/catalog/define-service.ts'
import type { ServiceQueue } from '../core/catalog/queue-definitions.ts'
import { nextRunAt } from '../core/domain/deadline.ts'
import { AppError } from '../core/domain/errors.ts'
import { isFinal, type RequestRecord } from '../core/domain/record.ts'
import type { RequestWatcher } from '../core/pubsub/request-watcher.ts'
import {
  BLOCK_SECONDS,
  blockingOptions,
  capBlockTimeout,
  hashOf,
  type JobData,
  type Queues,
  type RequestJob,
} from '../core/queue/queues.ts'
import { countRunning } from '../core/redis/away.ts'
import type { RedisClient } from '../core/redis/connect.ts'
import type { Log } from '../core/runtime/log.ts'
import type { DeadlineIndex } from '../core/store/deadline-index.ts'
import type { RequestStore } from '../core/store/request-store.ts'
import { isUnavailable, retryUnavailable } from '../core/store/retry-unavailable.ts'
import type { Subjects } from '../core/store/subject-limits.ts'
import type { BotClient } from './bot-client.ts'
import { INTERNAL_ERROR, LOST, UNKNOWN_SERVICE } from './failure-reasons.ts'
import { createRetryPolicy, endsAt } from './retry-policy.ts'
import { createAttemptRunner } from './run-attempt.ts'
import { createTakeTurn } from './turn.ts'
import { createUnclaimed } from './unclaimed.ts'

export interface RequestWorkerDeps {
  queue: ServiceQueue
  queues: Pick<Queues, 'requeueFairly' | 'hold'>
  redis: RedisClient
  store: RequestStore
  live: RequestWatcher
  otpBox: OtpMailbox
  deadlines: Pick<DeadlineIndex, 'schedule'>
  subjects: Pick<Subjects, 'reserve'>
  bot: BotClient
  findService: (slug: string) => Service | undefined
  concurrency: number
  /** How often a request is tried, instead of what its service says. */
  tries?: number
  /** How long it asks for a job at a time. */
  sleepSeconds?: number
  /** Told before an attempt is begun, or goes on with a code. */
  onAttempt?: () => void
  /** The limit of a bot's call where the service sets none of its own, seconds. */
  timeoutSeconds: number
  /** How long running jobs may go on when the worker is told to stop. */
  drainMs: number
  /** How long at least a request of an unknown service is left to other workers before this one looks again. */
  unclaimedDelayMs?: number
  /** How long a worker may be silent before another one takes its jobs over. */
  lockMs?: number
  log: Log
  /** Milliseconds since 1970, by the clock of the records. */
  now: () => number
}

export interface RequestWorker {
  isTaking(): boolean
  isIdle(): boolean
  /** Takes nothing new. Resolves once all that runs has ended, however long that takes. */
  finish(): Promise<void>
  /** The same, but what takes longer than `drainMs` is left for another worker to try again. */
  stop(): Promise<void>
}

/** Renewed and checked four times in its life: jobs of a killed worker go on after 25 s, and a pause of Redis of 10 s loses none. */
const LOCK_MS = 20_000
const A_QUARTER = 1 / 4
/** A timer that fires this much early is no machine whose clock is wrong. */
const EARLY_MS = 250
/** When something unforeseen kept us from working on a request: Redis was full or read-only, say. */
const UNEXPECTED_ERROR_DELAY_MS = 5_000

export function createRequestWorker(deps: RequestWorkerDeps): RequestWorker {
  const { store, queues, findService, log, now } = deps
  const { lockMs = LOCK_MS, sleepSeconds = BLOCK_SECONDS } = deps
  const attempt = createAttemptRunner(deps)
  const { retryOrFail, fail } = createRetryPolicy(deps)
  const stopping = new AbortController()
  // Every attempt listens.
  setMaxListeners(0, stopping.signal)
  const startOrResume = createTakeTurn({ ...deps, fail, stopping: stopping.signal })
  const unclaimed = createUnclaimed({ minDelayMs: deps.unclaimedDelayMs, now })
  let closing = false
  const { run, isIdle } = countRunning(process)
  const worker = new Worker<JobData>(deps.queue.name, run, {
    connection: deps.redis,
    prefix: deps.redis.names.queues,
    concurrency: deps.concurrency,
    ...blockingOptions(sleepSeconds),
    removeOnComplete: { count: 0 },
    removeOnFail: { count: 0 },
    lockDuration: lockMs,
    lockRenewTime: lockMs * A_QUARTER,
    stalledInterval: lockMs * A_QUARTER,
    maxStalledCount: 3,
  })
  capBlockTimeout(worker, sleepSeconds)
  worker.on('error', (error) => log.debug({ err: error }, 'the queue connection stumbled'))
  worker.on('failed', (job) => {
    // Given up by BullMQ itself, after stalling too often: nobody else will end this request.
    if (!job?.deferredFailure) return
    store
      .apply(hashOf(job), { type: 'fail', ...LOST })
      .catch((cause) => log.warn({ err: cause, hash: hashOf(job) }, 'could not end a lost request'))
  })

  async function process(job: RequestJob, token?: string): Promise<void> {
    const hash = hashOf(job)
    try {
      await handleJob(job, token)
    } catch (error) {
      if (error instanceof DelayedError) throw error
      const reason = error instanceof AppError ? error.code : undefined
      log.warn({ err: error, hash, reason }, 'could not work on a request')
      // Once it is mended, the rescuer gives it its job back.
      if (reason === 'unreadable_record') return
      const putBack = () => job.moveToDelayed(Date.now() + UNEXPECTED_ERROR_DELAY_MS, token)
      await retryUnavailable(putBack, { signal: stopping.signal, maxMs: lockMs })
      throw new DelayedError()
    }
  }

  async function handleJob(job: RequestJob, token: string | undefined): Promise<void> {
    const hash = hashOf(job)
    const before = await store.read(hash)
    if (!before || isFinal(before.record.status)) return log.debug({ hash }, 'nothing to do for a job')
    const service = findService(before.record.service_slug)
    if (!service) return leaveOrEnd(job, token, before.record)
    const until = nextRunAt(before.record)
    // Somebody was promised that it does not begin before.
    const early = before.record.status === 'pending' ? 0 : EARLY_MS
    if (until !== null && now() < until - early) return delayJob(job, token, before.record, until)
    if (before.record.run_at && before.record.status === 'pending' && !job.priority) {
      // It came ahead of all who wait because nobody could say yesterday whose turn it would be today.
      await queues.requeueFairly(job, before.record, service)
      await job.moveToDelayed(Date.now(), token)
      throw new DelayedError()
    }
    // BullMQ may just have been waiting for a job when it was told to stop: that one is somebody else's.
    if (closing) return delayJob(job, token, before.record, now())
    deps.onAttempt?.()
    const turn = await startOrResume(before, limitOf(service))
    if (turn === null) return
    if (turn === 'later') return delayJob(job, token, before.record, now())

    const { record, otp } = turn
    const jobLog = log.child({ hash, service: service.slug, attempt: record.attempt })
    jobLog.info(otp === undefined ? 'attempt started' : 'attempt goes on with the code')
    const begun = performance.now()
    const outcome = await attempt(record, { limitSeconds: limitOf(service), stopping: stopping.signal, otp })
    const took_ms = Math.round(performance.now() - begun)
    if (outcome.is === 'ended') return jobLog.info({ took_ms }, 'attempt ended with the request')
    if (outcome.is === 'waiting') {
      jobLog.info({ took_ms }, 'waiting for a code, without holding a worker')
      await unclaimed.claimed(job)
      return delayJob(job, token, record, outcome.until)
    }
    const { code: reason, retryable } = outcome.error
    jobLog.info({ took_ms, reason, retryable, begun: outcome.is !== 'not_begun' }, 'attempt failed')
    const isUnknown = outcome.is === 'not_begun' && reason === 'unknown_service'
    const next = await keptUntilItsEnd(record, async () => {
      if (isUnknown && (await unclaimed.isOver(job))) return fail(record, UNKNOWN_SERVICE)
      if (!isUnknown) await unclaimed.claimed(job)
      return retryOrFail(record, service, outcome)
    })
    if (next) return delayJob(job, token, next.record, next.at)
  }

  async function leaveOrEnd(
    job: RequestJob,
    token: string | undefined,
    record: RequestRecord,
  ): Promise<void> {
    if (await unclaimed.isOver(job)) return fail(record, UNKNOWN_SERVICE)
    log.debug({ hash: record.hash, service: record.service_slug }, 'left a request of an unknown service')
    return unclaimed.leave(job, token, record)
  }

  const limitOf = (service: Service): number => service.limitSeconds ?? deps.timeoutSeconds

  /** What followed from an attempt is written as soon as Redis accepts it, or the bot would be called again for nothing. */
  async function keptUntilItsEnd<T>(record: RequestRecord, write: () => Promise<T>): Promise<T | undefined> {
    try {
      return await retryUnavailable(write, { signal: stopping.signal, maxMs: endsAt(record) - now() })
    } catch (error) {
      if (isUnavailable(error)) throw error
      // A mistake of our own would be made again, and the bot called each time.
      log.error({ err: error, hash: record.hash }, 'could not decide what follows from an attempt')
      await fail(record, INTERNAL_ERROR)
      return undefined
    }
  }

  /** Puts a job off, however often: the one way to wait, and nothing that BullMQ counts. */
  async function delayJob(
    job: RequestJob,
    token: string | undefined,
    { hash, status, expires_at }: RequestRecord,
    until: number,
  ): Promise<never> {
    // A job must not outlast the record it is about: it finds it gone then, and goes too.
    const remainingMs = Math.min(until, Date.parse(expires_at)) - now()
    // Who has begun goes before those who have not; who has not keeps their turn.
    if (job.priority && status !== 'pending') await job.changePriority({ priority: 0 })
    // BullMQ looks at this machine's clock, which may be wrong: another machine may find the job too early, or late.
    await job.moveToDelayed(Date.now() + remainingMs, token)
    // Handed over, asked for anew, or cancelled before the job could be woken.
    const present = (await store.read(hash))?.record
    const waits = present && !isFinal(present.status) ? nextRunAt(present) : null
    if (waits === null || waits < until - EARLY_MS) await job.promote().catch(() => {})
    throw new DelayedError()
  }

  return {
    isTaking: () => !closing && worker.isRunning() && !worker.isPaused(),
    isIdle,
    async finish() {
      closing = true
      await worker.close()
    },
    async stop() {
      closing = true
      const closed = worker.close()
      const patience = new AbortController()
      const late = sleep(deps.drainMs, undefined, { signal: patience.signal }).then(
        () => stopping.abort(new AppError('worker_stopping')),
        () => {},
      )
      await closed
      patience.abort()
      await late
    },
  }
}
