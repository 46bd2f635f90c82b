/**
 * Handles one job: reads its request's record, starts or resumes an attempt, and writes how the attempt ended. The record
 * is the truth and alone counts attempts; the job only says which request is to be worked on.
 */
import { DelayedError } from 'bullmq'
import type { Catalog } from '../core/catalog/catalog.ts'
import type { Service } from '../core/catalog/service-definition.ts'
import { AppError } from '../core/domain/errors.ts'
import { isFinal, type RequestRecord } from '../core/domain/record.ts'
import { hashOf, type RequestJob } from '../core/queue/bullmq.ts'
import type { Log } from '../core/runtime/log.ts'
import type { StoredRecord } from '../core/store/request-store.ts'
import { isUnavailable, retryUnavailable } from '../core/store/storage-errors.ts'
import type { BotRouter, ChosenBot } from './bot-router.ts'
import { INTERNAL_ERROR, UNKNOWN_SERVICE } from './failure-reasons.ts'
import { createJobSchedule, type JobScheduleDeps } from './job-schedule.ts'
import { createRetryPolicy, endsAt, type FailedAttempt, type RetryPolicyDeps } from './retry-policy.ts'
import { type AttemptDeps, type AttemptOutcome, createAttemptRunner } from './run-attempt.ts'
import { type AttemptStarterDeps, createAttemptStarter, type Work } from './start-attempt.ts'
import { createUnclaimedJobs } from './unclaimed.ts'

export interface JobHandlerDeps
  extends Omit<AttemptStarterDeps, 'fail'>,
    AttemptDeps,
    RetryPolicyDeps,
    JobScheduleDeps {
  queues: RetryPolicyDeps['queues'] & JobScheduleDeps['queues']
  catalog: Pick<Catalog, 'find'>
  bots: BotRouter
  /** Called before an attempt is started, or resumed with a code. */
  onAttempt?: () => void
  /** The time limit of a request whose service sets none of its own, seconds. */
  timeoutSeconds: number
  /** How long at least a request of an unknown service is left to other workers before this one checks it again. */
  unclaimedDelayMs?: number
  /** Aborts when the worker accepts no further jobs. */
  closing: AbortSignal
}

/** When a request is tried again that found no bot with room. */
const NO_ROOM_MS = 300

export function createJobHandler(deps: JobHandlerDeps): (job: RequestJob) => Promise<void> {
  const { store, catalog, bots, closing, stopping, log, now } = deps
  const runAttempt = createAttemptRunner(deps)
  const { retryOrFail, fail } = createRetryPolicy(deps)
  const startOrResume = createAttemptStarter({ ...deps, fail })
  const schedule = createJobSchedule(deps)
  const unclaimed = createUnclaimedJobs({ minDelayMs: deps.unclaimedDelayMs, now })

  async function handleJob(job: RequestJob): Promise<void> {
    const hash = hashOf(job)
    const stored = await store.read(hash)
    if (!stored || isFinal(stored.record.status)) return log.debug({ hash }, 'nothing to do for a job')
    const service = catalog.find(stored.record.service_slug)
    if (!service) return failOrLeave(job, stored.record)
    await schedule.delayUnlessDue(job, stored.record, service)
    const bot = await bots.choose(stored.record)
    if (bot === null) return schedule.delay(job, stored.record, now() + NO_ROOM_MS * (0.5 + Math.random()))
    try {
      // BullMQ was waiting for a job when the worker began to close: this one is for another worker.
      if (closing.aborted) return await schedule.delay(job, stored.record, now())
      await attempt(job, stored, service, bot)
    } finally {
      await bot.release()
    }
  }

  async function attempt(
    job: RequestJob,
    stored: StoredRecord,
    service: Service,
    bot: ChosenBot,
  ): Promise<void> {
    deps.onAttempt?.()
    const limitSeconds = service.limit_seconds ?? deps.timeoutSeconds
    const work = await startOrResume(stored, { limitSeconds, bot: bot.address })
    if (work === null) return
    if (work === 'later') return schedule.delay(job, stored.record, now())

    const { record } = work
    const outcome = await logAttempt(log, work, bot, () =>
      runAttempt(work, { bot, result: service.result, limitSeconds, closing, stopping }),
    )
    if (outcome.is === 'ended') return
    if (outcome.is === 'waiting') {
      await unclaimed.markClaimed(job)
      return schedule.delay(job, record, outcome.until)
    }
    const next = await writeUntilExpiry({ ...deps, fail }, record, () =>
      afterFailure(job, record, service, outcome),
    )
    if (next) return schedule.delay(job, next.record, next.at)
  }

  async function failOrLeave(job: RequestJob, record: RequestRecord): Promise<void> {
    if (await unclaimed.isTimedOut(job)) return fail(record, UNKNOWN_SERVICE)
    log.debug({ hash: record.hash, service: record.service_slug }, 'left a request of an unknown service')
    return unclaimed.delay(job, record)
  }

  async function afterFailure(
    job: RequestJob,
    record: RequestRecord,
    service: Service,
    failed: FailedAttempt,
  ): ReturnType<typeof retryOrFail> {
    const isUnknownToBot = failed.is === 'not_reached' && failed.error.code === 'unknown_service'
    if (!isUnknownToBot) await unclaimed.markClaimed(job)
    else if (await unclaimed.isTimedOut(job)) {
      await fail(record, UNKNOWN_SERVICE)
      return null
    }
    const isAway = failed.is === 'not_reached' && failed.error.code === 'bot_unavailable'
    return retryOrFail(record, service, failed, { atOnce: isAway && bots.avoid(record) })
  }

  return handleJob
}

/** Repeats a write that Redis refuses while the request lives: without it the bot would be called again for nothing. */
async function writeUntilExpiry<T>(
  {
    stopping,
    log,
    now,
    fail,
  }: Pick<JobHandlerDeps, 'stopping' | 'log' | 'now'> & Pick<AttemptStarterDeps, 'fail'>,
  record: RequestRecord,
  write: () => Promise<T>,
): Promise<T | null> {
  try {
    return await retryUnavailable(write, { signal: stopping, maxMs: endsAt(record) - now() })
  } catch (error) {
    if (isUnavailable(error)) throw error
    // A bug would occur again with each attempt, and the bot be called each time.
    log.error({ err: error, hash: record.hash }, 'could not decide what follows from an attempt')
    await fail(record, INTERNAL_ERROR)
    return null
  }
}

/** Logs the start of an attempt, and how it ended. */
async function logAttempt(
  log: Log,
  { record, otp, isResumed }: Work,
  bot: ChosenBot,
  run: () => Promise<AttemptOutcome>,
): Promise<AttemptOutcome> {
  const { hash, service_slug: service, attempt } = record
  const attemptLog = log.child({ hash, service, attempt })
  const withCode = otp === undefined ? '' : ' with the code'
  attemptLog.info(
    { bot: bot.url },
    otp !== undefined || isResumed ? `attempt resumed${withCode}` : 'attempt started',
  )
  const startedAt = performance.now()
  const outcome = await run()
  logOutcome(attemptLog, outcome, Math.round(performance.now() - startedAt))
  return outcome
}

function logOutcome(log: Log, outcome: AttemptOutcome, took_ms: number): void {
  if (outcome.is === 'ended') log.info({ took_ms }, 'attempt ended with the request')
  else if (outcome.is === 'waiting') log.info({ took_ms }, 'waiting for a code, without holding a worker')
  else {
    const { code: reason, retryable } = outcome.error
    log.info({ took_ms, reason, retryable, bot_reached: outcome.is !== 'not_reached' }, 'attempt failed')
  }
}

/** When a job could not be handled for an unexpected reason: Redis was full or read-only, say. */
const UNEXPECTED_ERROR_DELAY_MS = 5_000

/**
 * Delays a job whose handler throws, so that it is handled again. One whose record is unreadable is removed instead: the
 * rescuer restores it once the record is repaired.
 */
export function delayOnError(
  handleJob: (job: RequestJob) => Promise<void>,
  { log, stopping, lockMs }: { log: Log; stopping: AbortSignal; lockMs: number },
): (job: RequestJob) => Promise<void> {
  return async (job) => {
    try {
      await handleJob(job)
    } catch (error) {
      if (error instanceof DelayedError) throw error
      const reason = error instanceof AppError ? error.code : undefined
      log.warn({ err: error, hash: hashOf(job), reason }, 'could not handle a job')
      if (reason === 'unreadable_record') return
      const delay = () => job.moveToDelayed(Date.now() + UNEXPECTED_ERROR_DELAY_MS, job.token)
      await retryUnavailable(delay, { signal: stopping, maxMs: lockMs })
      throw new DelayedError()
    }
  }
}
