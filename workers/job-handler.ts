/**
 * Handles one job: reads its request's record, starts or resumes an attempt, and writes how the attempt ended. The record
 * is the truth and alone counts attempts; the job only says which request is to be worked on.
 */
import { DelayedError } from 'bullmq'
import type { Catalog } from '../core/catalog/catalog.ts'
import type { Service } from '../core/catalog/service-definition.ts'
import { AppError } from '../core/domain/errors.ts'
import { isFinal, type RequestRecord } from '../core/domain/record.ts'
import { shortReference } from '../core/domain/short-reference.ts'
import type { WriterWatcher } from '../core/pubsub/request-watcher.ts'
import { hashOf, type RequestJob } from '../core/queue/bullmq.ts'
import { describeOwnCause } from '../core/runtime/error-cause.ts'
import type { Log } from '../core/runtime/log.ts'
import type { Tracing } from '../core/runtime/tracing.ts'
import type { StoredRecord } from '../core/store/request-store.ts'
import type { RunTimes } from '../core/store/run-times.ts'
import { isUnavailable, retryUnavailable } from '../core/store/storage-errors.ts'
import { logAttempt } from './attempt-log.ts'
import { withBot, withSubscription } from './attempt-resources.ts'
import type { BotRouter } from './bot-router.ts'
import { internalError, UNKNOWN_SERVICE } from './failure-reasons.ts'
import { createJobSchedule, type JobScheduleDeps } from './job-schedule.ts'
import { createRetryPolicy, endsAt, type FailedAttempt, type RetryPolicyDeps } from './retry-policy.ts'
import {
  type AttemptContext,
  type AttemptDeps,
  type AttemptOutcome,
  createAttemptRunner,
} from './run-attempt.ts'
import { type AttemptStarterDeps, createAttemptStarter } from './start-attempt.ts'
import { traceAttempts } from './traces.ts'
import { createUnclaimedJobs } from './unclaimed.ts'

export interface JobHandlerDeps
  extends Omit<AttemptStarterDeps, 'fail'>,
    AttemptDeps,
    RetryPolicyDeps,
    JobScheduleDeps {
  queues: RetryPolicyDeps['queues'] & JobScheduleDeps['queues']
  catalog: Pick<Catalog, 'find'>
  watcher: Pick<WriterWatcher, 'subscribe'>
  bots: BotRouter
  runTimes: Pick<RunTimes, 'add' | 'expectation'>
  tracing?: Tracing
  /** Called before an attempt is started, or resumed with a code. */
  onAttempt?: () => void
  /** The time limit of a request whose service sets none of its own, seconds. */
  timeoutSeconds: number
  /** How long at least a request of an unknown service is left to other workers before this one checks it again. */
  unclaimedDelayMs?: number
  /** Aborts when the worker accepts no further jobs. */
  closing: AbortSignal
}

/** What is said by or of a bot that is being restarted: another one may take the request at once. */
const AWAY: ReadonlySet<string> = new Set(['bot_unavailable', 'bot_stopping'])

/** When a request is tried again that found no bot with room. */
const noRoomMs = (): number => 150 + Math.random() * 300

export function createJobHandler(deps: JobHandlerDeps): (job: RequestJob) => Promise<void> {
  const { store, watcher, catalog, bots, runTimes, closing, stopping, log, now } = deps
  const runAttempt = traceAttempts(createAttemptRunner(deps), deps.tracing)
  const { retryOrFail, fail } = createRetryPolicy(deps)
  const startOrResume = createAttemptStarter({ ...deps, fail })
  const schedule = createJobSchedule(deps)
  const unclaimed = createUnclaimedJobs({ minDelayMs: deps.unclaimedDelayMs, now })

  async function handleJob(job: RequestJob): Promise<void> {
    const hash = hashOf(job)
    const stored = await store.read(hash)
    if (!stored || isFinal(stored.record.status)) return logIdle(log, hash)
    const service = catalog.find(stored.record.service_slug)
    if (!service) return failOrLeave(job, stored.record)
    await schedule.delayUnlessDue(job, stored.record, service)
    await withSubscription(watcher.subscribe(hash), (subscribing) =>
      withBot(bots, stored.record, async (bot) => {
        if (bot === null) return schedule.delay(job, stored.record, now() + noRoomMs())
        const subscription = await subscribing
        // BullMQ was waiting for a job when the worker began to close: this one is for another worker.
        if (closing.aborted) return schedule.delay(job, stored.record, now())
        await attempt(job, stored, service, { bot, subscription })
      }),
    )
  }

  async function attempt(
    job: RequestJob,
    stored: StoredRecord,
    service: Service,
    { bot, subscription }: Pick<AttemptContext, 'bot' | 'subscription'>,
  ) {
    deps.onAttempt?.()
    const limitSeconds = service.limit_seconds ?? deps.timeoutSeconds
    const expected = await runTimes.expectation(service)
    const work = await startOrResume(stored, { limitSeconds, bot: bot.address, expected })
    if (work === null) return
    if (work === 'later') return schedule.delay(job, stored.record, now())

    const { record } = work
    const outcome = await logAttempt(log, work, bot, () =>
      runAttempt(work, { bot, subscription, result: service.result, limitSeconds, closing, stopping }),
    )
    judgeBot(bots, record, outcome, limitSeconds * 1000)
    // Not waited for: the job is done.
    if (outcome.is === 'ended') return void runTimes.add(service, outcome.completed, record.expected)
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
    log.debug({ request: shortReference(record.hash) }, 'left a request of an unknown service')
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
    const atOnce = failed.is === 'not_reached' && AWAY.has(failed.error.code) && bots.avoid(record)
    return retryOrFail(record, service, failed, { atOnce })
  }

  return handleJob
}

const NO_ANSWER: ReadonlySet<string> = new Set(['timed_out', 'bot_unavailable', 'internal_error'])

/** An answer, or a result by the updater of the bot, ends that a silent one is avoided. */
function judgeBot(bots: BotRouter, record: RequestRecord, outcome: AttemptOutcome, limitMs: number): void {
  const failure = outcome.is === 'failed' ? outcome.error.code : null
  const hasEnded = outcome.is === 'ended' && outcome.completed !== undefined
  if (failure === 'timed_out') bots.avoid(record, limitMs)
  else if (hasEnded || outcome.is === 'waiting' || (failure !== null && !NO_ANSWER.has(failure)))
    bots.trust(record)
}
const logIdle = (log: Log, hash: string): void =>
  log.debug({ request: shortReference(hash) }, 'nothing to do for a job')

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
    log.error(
      { err: error, request: shortReference(record.hash) },
      'could not decide what follows from an attempt',
    )
    await fail(record, internalError(describeOwnCause(error, record.request_data)))
    return null
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
      log.warn({ err: error, request: shortReference(hashOf(job)), reason }, 'could not handle a job')
      if (reason === 'unreadable_record') return
      const delay = () => job.moveToDelayed(Date.now() + UNEXPECTED_ERROR_DELAY_MS, job.token)
      await retryUnavailable(delay, { signal: stopping, maxMs: lockMs })
      throw new DelayedError()
    }
  }
}
