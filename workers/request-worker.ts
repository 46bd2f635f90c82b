/**
 * Takes jobs of one queue: a job says which request waits, the record says everything else. The worker starts an
 * attempt, calls the bot, follows the request meanwhile, and writes how it ended. What BullMQ does with the job after
 * that is only bookkeeping: the record is the truth.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { Worker } from 'bullmq'
import { nanoid } from 'nanoid'
import { AppError } from '../core/errors.ts'
import type { Log } from '../core/log.ts'
import { isFinal, type PublicView, type RequestError, type RequestRecord } from '../core/record.ts'
import type { RedisClient } from '../core/redis/connect.ts'
import type { LiveRequests } from '../core/redis/live-requests.ts'
import type { OtpBox } from '../core/redis/otp-box.ts'
import type { JobData } from '../core/redis/queues.ts'
import type { RequestStore } from '../core/redis/request-store.ts'
import type { Service } from '../core/services/service.ts'
import type { BotAnswer, BotClient } from './bot-client.ts'
import { startStopwatch } from './stopwatch.ts'

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
  /** How long running jobs may go on when the worker is told to stop. */
  finishWithinMs?: number
  log: Log
}

export interface RequestWorker {
  isTaking(): boolean
  stop(): Promise<void>
}

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
  const { store, findService, log, finishWithinMs = FINISH_WITHIN_MS } = deps
  const stopping = new AbortController()
  let closing = false

  const worker = new Worker<JobData>(deps.queue, ({ data: { hash } }) => process(hash), {
    connection: deps.redis,
    prefix: deps.prefix,
    concurrency: deps.concurrency,
    removeOnComplete: { count: 0 },
    removeOnFail: { count: 0 },
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

  async function process(hash: string): Promise<void> {
    const before = await store.read(hash)
    if (!before || isFinal(before.record.status)) return log.debug({ hash }, 'nothing to do for a job')
    const started = await store.apply(
      hash,
      { type: 'start', attempt: before.record.attempt + 1 },
      { known: before },
    )
    if (!started.ok) return log.debug({ hash, refusal: started.refusal }, 'could not start')
    const { record } = started.stored
    const service = findService(record.service_slug)
    const jobLog = log.child({ hash, service: record.service_slug, attempt: record.attempt })
    if (!service)
      return end(record, {
        code: 'unknown_service',
        message: 'There is no such service (any more).',
        retryable: false,
      })

    jobLog.info('attempt started')
    const begun = performance.now()
    const outcome = await run(service, record)
    const took_ms = Math.round(performance.now() - begun)
    if (outcome === 'ended') return jobLog.info({ took_ms }, 'attempt ended with the request')
    jobLog.info({ took_ms, reason: outcome.code, retryable: outcome.retryable }, 'attempt failed')
    await tryAgainOrEnd(service, record, outcome)
  }

  /** One attempt: `ended` when the request is final or no longer ours, else why the bot did not do it. */
  async function run(service: Service, record: RequestRecord): Promise<'ended' | RequestError> {
    const { hash, attempt } = record
    const abort = new AbortController()
    const limitSeconds = service.limitSeconds ?? deps.timeoutSeconds
    const clock = startStopwatch(limitSeconds * 1000, () => abort.abort(new AppError('timed_out')))
    const onStop = (): void => abort.abort(stopping.signal.reason)
    stopping.signal.addEventListener('abort', onStop)
    const follow = ({ status, attempt: present }: PublicView): void => {
      if (isFinal(status)) abort.abort(new AppError('already_final'))
      else if (present > attempt) abort.abort(new AppError('stale_attempt'))
      else if (status === 'otp_required') clock.pause()
      else clock.resume()
    }
    try {
      const watch = await deps.live.watch(hash, {
        update: ({ view }) => follow(view),
        expired: () => abort.abort(new AppError('request_expired')),
      })
      try {
        follow(watch.latest.view)
        return await converse(record, abort.signal)
      } finally {
        watch.stop()
      }
    } catch (error) {
      return whyFailed(error, limitSeconds)
    } finally {
      clock.stop()
      stopping.signal.removeEventListener('abort', onStop)
    }
  }

  /** Calls the bot; where it answers that it sent a code, asks the person and calls again with what they typed. */
  async function converse(record: RequestRecord, signal: AbortSignal): Promise<'ended' | RequestError> {
    const { hash, attempt, service_slug: slug, request_data: requestData } = record
    let otp: string | undefined
    for (;;) {
      const answer: BotAnswer = await deps.bot.call({ slug, hash, attempt, requestData, otp, signal })
      if (answer.status === 'error')
        return { code: answer.code, message: answer.message, retryable: answer.retryable }
      if (answer.code !== 'SMS_SENT') return complete(hash, attempt, answer.data)
      const asked = await store.apply(hash, {
        type: 'require_otp',
        attempt,
        otp: { ...answer.otp_data, id: nanoid(10) },
      })
      if (!asked.ok) throw new AppError(asked.refusal)
      const given = await deps.otpBox.waitFor(hash, { signal })
      if ('refused' in given) throw new AppError(given.refused)
      otp = given.code
    }
  }

  /** The bot has usually written this itself; its own word counts, this is for bots that only answer. */
  async function complete(hash: string, attempt: number, result: unknown): Promise<'ended'> {
    const outcome = await store.apply(hash, { type: 'complete', attempt, result: result ?? null })
    if (!outcome.ok) log.debug({ hash, refusal: outcome.refusal }, 'the result was there already')
    return 'ended'
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

const WORDS: Partial<Record<AppError['code'], string>> = {
  bot_unavailable: 'The service that does the work cannot be reached just now.',
  bot_unauthorized: 'The service that does the work did not accept us. Please tell its operator.',
  bot_bad_answer: 'The service that does the work gave an answer we do not understand.',
  otp_expired: 'The code was not entered in time.',
  worker_stopping: 'The service is being restarted.',
}

function whyFailed(error: unknown, limitSeconds: number): 'ended' | RequestError {
  if (!(error instanceof AppError)) throw error
  switch (error.code) {
    case 'already_final':
    case 'stale_attempt':
    case 'request_expired':
    case 'request_not_found':
      return 'ended'
    case 'timed_out':
      return { code: error.code, message: `It took longer than ${limitSeconds} seconds.`, retryable: true }
    default:
      return {
        code: error.code,
        message: error.detail ?? WORDS[error.code] ?? 'Something went wrong.',
        retryable: error.retryable,
      }
  }
}
