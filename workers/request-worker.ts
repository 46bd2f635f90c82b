/**
 * Takes jobs of one queue: a job says which request waits, the record says everything else. The worker starts an
 * attempt, calls the bot, follows the request meanwhile, and writes how it ended. What BullMQ does with the job after
 * that is only bookkeeping: the record is the truth.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { DelayedError, type Job, Worker } from 'bullmq'
import { promptClosesAt } from '../core/deadline.ts'
import { AppError } from '../core/errors.ts'
import type { Log } from '../core/log.ts'
import { isFinal, type RequestError, type RequestRecord } from '../core/record.ts'
import type { RedisClient } from '../core/redis/connect.ts'
import type { LiveRequests } from '../core/redis/live-requests.ts'
import type { OtpBox } from '../core/redis/otp-box.ts'
import type { JobData } from '../core/redis/queues.ts'
import type { RequestStore, Stored } from '../core/redis/request-store.ts'
import type { Service } from '../core/services/service.ts'
import { createAttempt } from './attempt.ts'
import type { BotClient } from './bot-client.ts'

export interface RequestWorkerDeps {
  queue: string
  prefix: string
  redis: RedisClient
  store: RequestStore
  live: LiveRequests
  otpBox: OtpBox
  bot: BotClient
  findService: (slug: string) => Service | undefined
  concurrency: number
  /** The limit of a bot's call where the service sets none of its own, seconds. */
  timeoutSeconds: number
  /** How long a worker may be silent before another one takes its jobs over. */
  lockMs?: number
  /** How long running jobs may go on when the worker is told to stop. */
  finishWithinMs?: number
  log: Log
}

export interface RequestWorker {
  isTaking(): boolean
  stop(): Promise<void>
}

const LOCK_MS = 30_000
const FINISH_WITHIN_MS = 5_000

/** Tells BullMQ to try again after this long; the record says so already. */
class TryLater extends Error {
  override name = 'TryLater'
  readonly delayMs: number
  constructor(code: string, delayMs: number) {
    super(code)
    this.delayMs = delayMs
  }
}

export function createRequestWorker(deps: RequestWorkerDeps): RequestWorker {
  const { store, otpBox, findService, log, lockMs = LOCK_MS, finishWithinMs = FINISH_WITHIN_MS } = deps
  const attempt = createAttempt(deps)
  const stopping = new AbortController()
  let closing = false

  const worker = new Worker<JobData>(deps.queue, process, {
    connection: deps.redis,
    prefix: deps.prefix,
    concurrency: deps.concurrency,
    removeOnComplete: { count: 0 },
    removeOnFail: { count: 0 },
    lockDuration: lockMs,
    stalledInterval: lockMs,
    maxStalledCount: 3,
    settings: {
      backoffStrategy: (_made, _type, error) => (error instanceof TryLater ? error.delayMs : 1000),
    },
  })
  worker.on('error', (error) => log.debug({ err: error }, 'the queue connection stumbled'))
  worker.on('failed', (job, error) => {
    // Given up by BullMQ itself, after stalling too often: nobody else will end this request.
    if (!job) return
    const isStalled = !(error instanceof TryLater) && /stalled/.test(error.message)
    if (!isStalled && job.attemptsMade < (job.opts.attempts ?? 1)) return
    const lost = { code: 'worker_lost', message: 'The request was interrupted too often.', retryable: true }
    store
      .apply(job.data.hash, { type: 'fail', error: lost })
      .catch((cause) => log.warn({ err: cause, hash: job.data.hash }, 'could not end a lost request'))
  })

  async function process(job: Job<JobData>, token?: string): Promise<void> {
    const { hash } = job.data
    const before = await store.read(hash)
    if (!before || isFinal(before.record.status)) return log.debug({ hash }, 'nothing to do for a job')
    const service = findService(before.record.service_slug)
    const turn = await takeTurn(before, service)
    if (turn === null) return
    const { record, otp } = turn
    const jobLog = log.child({ hash, service: record.service_slug, attempt: record.attempt })
    if (!service) return end(record, UNKNOWN_SERVICE)
    if (turn.until !== undefined) return waitForCode(job, token, record, turn.until)

    jobLog.info(otp === undefined ? 'attempt started' : 'attempt goes on with the code')
    const begun = performance.now()
    const outcome = await attempt(record, { limitSeconds: limitOf(service), stopping: stopping.signal, otp })
    const took_ms = Math.round(performance.now() - begun)
    switch (outcome.is) {
      case 'ended':
        return jobLog.info({ took_ms }, 'attempt ended with the request')
      case 'waiting':
        jobLog.info({ took_ms }, 'waiting for a code, without holding a worker')
        return waitForCode(job, token, record, outcome.until)
      case 'failed': {
        const { code: reason, retryable } = outcome.error
        jobLog.info({ took_ms, reason, retryable }, 'attempt failed')
        return tryAgainOrEnd(service, record, outcome.error)
      }
    }
  }

  const limitOf = (service: Service | undefined): number => service?.limitSeconds ?? deps.timeoutSeconds

  /**
   * What there is to do: a new attempt, or the same one going on where a bot had a code sent and let go. Null when
   * there is nothing, `until` when the code is still being waited for.
   */
  async function takeTurn(
    before: Stored,
    service: Service | undefined,
  ): Promise<{ record: RequestRecord; otp?: string; until?: number } | null> {
    const { hash, status, otp_data: prompt, attempt: last } = before.record
    if (prompt?.recall && status === 'processing') {
      const code = await otpBox.take(hash)
      if (code !== null) return { record: before.record, otp: code }
    }
    if (prompt?.recall && status === 'otp_required') {
      if (prompt.resend_requested) return { record: before.record }
      if (Date.now() < promptClosesAt(prompt)) return { record: before.record, until: promptClosesAt(prompt) }
      await end(before.record, NO_CODE)
      return null
    }
    const limitSeconds = limitOf(service)
    const started = await store.apply(
      hash,
      { type: 'start', attempt: last + 1, limitSeconds },
      { known: before },
    )
    if (started.ok) return { record: started.stored.record }
    log.debug({ hash, refusal: started.refusal }, 'could not start')
    return null
  }

  /** Puts the job off until nobody is expected any more; whoever hands over a code wakes it. */
  async function waitForCode(
    job: Job<JobData>,
    token: string | undefined,
    { expires_at }: RequestRecord,
    until: number,
  ): Promise<never> {
    // A job must not outlast the record it is about: it finds it gone then, and goes too.
    await job.moveToDelayed(Math.min(until, Date.parse(expires_at)), token)
    // Handed over, or asked for anew, before the job could be woken.
    const present = await store.read(job.data.hash)
    const prompt = present?.record.otp_data
    if (present?.record.status !== 'otp_required' || prompt?.resend_requested)
      await job.promote().catch(() => {})
    throw new DelayedError()
  }

  async function tryAgainOrEnd(service: Service, record: RequestRecord, error: RequestError): Promise<void> {
    // A time limit is the request's, not the attempt's: trying again is for the person to decide.
    const mayTry = error.retryable && error.code !== 'timed_out' && record.attempt < record.max_attempts
    if (!mayTry) return end(record, error)
    const delayMs = service.backoffSeconds * 1000 * 2 ** (record.attempt - 1)
    const outcome = await store.apply(record.hash, {
      type: 'retry', attempt: record.attempt, nextRetryAt: Date.now() + delayMs, message: error.message, error,
    }) // biome-ignore format: one change
    if (outcome.ok) throw new TryLater(error.code, delayMs)
  }

  async function end(record: RequestRecord, error: RequestError): Promise<void> {
    const outcome = await store.apply(record.hash, { type: 'fail', attempt: record.attempt, error })
    if (!outcome.ok) log.debug({ hash: record.hash, refusal: outcome.refusal }, 'the failure came too late')
  }

  return {
    isTaking: () => !closing && worker.isRunning() && !worker.isPaused(),
    async stop() {
      closing = true
      // Takes nothing new; what runs may finish, and what takes longer is left for another worker to try again.
      const closed = worker.close()
      const patience = new AbortController()
      const late = sleep(finishWithinMs, undefined, { signal: patience.signal }).then(
        () => stopping.abort(new AppError('worker_stopping')),
        () => {},
      )
      await closed
      patience.abort()
      await late
    },
  }
}

const UNKNOWN_SERVICE: RequestError = {
  code: 'unknown_service',
  message: 'There is no such service (any more).',
  retryable: false,
}
const NO_CODE: RequestError = {
  code: 'otp_expired',
  message: 'The code was not entered in time.',
  retryable: true,
}
