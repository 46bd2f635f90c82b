/**
 * Takes jobs of one queue: a job says which request waits, the record says everything else. The worker starts an
 * attempt, calls the bot, follows the request meanwhile, and writes how it ended. What waits (for the next attempt, for
 * a code) is put off until the record's time for it: BullMQ counts nothing, the record is the truth.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { DelayedError, type Job, Worker } from 'bullmq'
import { dueAt, waitsUntil } from '../core/deadline.ts'
import { AppError } from '../core/errors.ts'
import type { Failure } from '../core/lifecycle.ts'
import type { Log } from '../core/log.ts'
import { isFinal, type RequestRecord } from '../core/record.ts'
import type { RedisClient } from '../core/redis/connect.ts'
import type { Deadlines } from '../core/redis/deadlines.ts'
import type { LiveRequests } from '../core/redis/live-requests.ts'
import type { OtpBox } from '../core/redis/otp-box.ts'
import { type JobData, WAITING, waitBriefly } from '../core/redis/queues.ts'
import type { RequestStore, Stored } from '../core/redis/request-store.ts'
import type { Service } from '../core/services/service.ts'
import { type AttemptOutcome, createAttempt } from './attempt.ts'
import { afterFailure, afterNothingBegun } from './backoff.ts'
import type { BotClient } from './bot-client.ts'
import { LOST, NO_CODE, UNKNOWN_SERVICE } from './failures.ts'

export interface RequestWorkerDeps {
  queue: string
  prefix: string
  redis: RedisClient
  store: RequestStore
  live: LiveRequests
  otpBox: OtpBox
  deadlines: Pick<Deadlines, 'remind'>
  bot: BotClient
  findService: (slug: string) => Service | undefined
  concurrency: number
  /** The limit of a bot's call where the service sets none of its own, seconds. */
  timeoutSeconds: number
  /** How long running jobs may go on when the worker is told to stop. */
  drainMs: number
  /** How long a worker may be silent before another one takes its jobs over. */
  lockMs?: number
  log: Log
  /** Milliseconds since 1970, by the clock of the records. */
  now: () => number
}

export interface RequestWorker {
  isTaking(): boolean
  stop(): Promise<void>
}

/**
 * Renewed four times in its life, and looked for as often: what a killed worker held goes on after some 25 s, and a Redis
 * that stands still for 10 s, whatever moment it chooses, costs nobody the lock.
 */
const LOCK_MS = 20_000
const A_QUARTER = 1 / 4
/** A timer that fires this much early is no machine whose clock is wrong. */
const EARLY_MS = 250
/** When something unforeseen kept us from working on a request: Redis was full or read-only, say. */
const STUMBLED_MS = 5_000
/** When a rescuer looks: whoever begins sees to it that one will, for the reminder may be lost with a Redis. */
const REMIND_MS = 10_000

type Turn = { record: RequestRecord; otp?: string }

export function createRequestWorker(deps: RequestWorkerDeps): RequestWorker {
  const { store, otpBox, deadlines, findService, log, now, lockMs = LOCK_MS } = deps
  const attempt = createAttempt(deps)
  const stopping = new AbortController()
  let closing = false

  const worker = new Worker<JobData>(deps.queue, process, {
    connection: deps.redis,
    prefix: deps.prefix,
    concurrency: deps.concurrency,
    ...WAITING,
    removeOnComplete: { count: 0 },
    removeOnFail: { count: 0 },
    lockDuration: lockMs,
    lockRenewTime: lockMs * A_QUARTER,
    stalledInterval: lockMs * A_QUARTER,
    maxStalledCount: 3,
  })
  waitBriefly(worker)
  worker.on('error', (error) => log.debug({ err: error }, 'the queue connection stumbled'))
  worker.on('failed', (job) => {
    // Given up by BullMQ itself, after stalling too often: nobody else will end this request.
    if (!job?.deferredFailure) return
    store
      .apply(job.data.hash, { type: 'fail', ...LOST })
      .catch((cause) => log.warn({ err: cause, hash: job.data.hash }, 'could not end a lost request'))
  })

  async function process(job: Job<JobData>, token?: string): Promise<void> {
    const { hash } = job.data
    try {
      await workOn(job, token)
    } catch (error) {
      if (error instanceof DelayedError) throw error
      const reason = error instanceof AppError ? error.code : undefined
      log.warn({ err: error, hash, reason }, 'could not work on a request')
      // Once it is mended, the rescuer gives it its job back.
      if (reason === 'unreadable_record') return
      await job.moveToDelayed(Date.now() + STUMBLED_MS, token)
      throw new DelayedError()
    }
  }

  async function workOn(job: Job<JobData>, token: string | undefined): Promise<void> {
    const { hash } = job.data
    const before = await store.read(hash)
    if (!before || isFinal(before.record.status)) return log.debug({ hash }, 'nothing to do for a job')
    const service = findService(before.record.service_slug)
    if (!service) return end(before.record, UNKNOWN_SERVICE)
    // BullMQ may just have been waiting for a job when it was told to stop: that one is somebody else's.
    if (closing) return putOff(job, token, before.record, now())
    const until = waitsUntil(before.record)
    if (until !== null && now() < until - EARLY_MS) return putOff(job, token, before.record, until)
    const turn = await takeTurn(before, service)
    if (turn === null) return

    const { record, otp } = turn
    const jobLog = log.child({ hash, service: service.slug, attempt: record.attempt })
    jobLog.info(otp === undefined ? 'attempt started' : 'attempt goes on with the code')
    const begun = performance.now()
    const outcome = await attempt(record, { limitSeconds: limitOf(service), stopping: stopping.signal, otp })
    const took_ms = Math.round(performance.now() - begun)
    if (outcome.is === 'ended') return jobLog.info({ took_ms }, 'attempt ended with the request')
    if (outcome.is === 'waiting') {
      jobLog.info({ took_ms }, 'waiting for a code, without holding a worker')
      return putOff(job, token, record, outcome.until)
    }
    const { code: reason, retryable } = outcome.error
    jobLog.info({ took_ms, reason, retryable, begun: outcome.is !== 'not_begun' }, 'attempt failed')
    const next = await tryAgainOrEnd(record, service, outcome)
    if (next) return putOff(job, token, next.record, next.at)
  }

  const limitOf = (service: Service): number => service.limitSeconds ?? deps.timeoutSeconds

  /** A new attempt, or the same one going on where a bot had a code sent and let go. Null when there is nothing to do. */
  async function takeTurn(before: Stored, service: Service): Promise<Turn | null> {
    const { hash, status, otp_data: prompt, attempt: last } = before.record
    if (prompt?.recall && status === 'processing') {
      const code = await otpBox.take(hash)
      if (code !== null) return { record: before.record, otp: code }
    }
    if (prompt?.recall && status === 'otp_required') {
      if (prompt.resend_requested) return { record: before.record }
      await end(before.record, NO_CODE)
      return null
    }
    const start = { type: 'start', attempt: last + 1, limitSeconds: limitOf(service) } as const
    const [started] = await Promise.all([store.apply(hash, start), deadlines.remind(hash, now() + REMIND_MS)])
    if (started.ok) return { record: started.stored.record }
    log.debug({ hash, refusal: started.refusal }, 'could not start')
    return null
  }

  /** Puts a job off, however often: the one way to wait, and nothing that BullMQ counts. */
  async function putOff(
    job: Job<JobData>,
    token: string | undefined,
    { hash, expires_at }: RequestRecord,
    until: number,
  ): Promise<never> {
    // A job must not outlast the record it is about: it finds it gone then, and goes too.
    const restMs = Math.min(until, Date.parse(expires_at)) - now()
    // BullMQ looks at this machine's clock, which may be wrong: another machine may find the job too early, or late.
    await job.moveToDelayed(Date.now() + restMs, token)
    // Handed over, asked for anew, or cancelled before the job could be woken.
    const present = (await store.read(hash))?.record
    const waits = present && !isFinal(present.status) ? waitsUntil(present) : null
    if (waits === null || waits < until - EARLY_MS) await job.promote().catch(() => {})
    throw new DelayedError()
  }

  /** When the next attempt is due and the record that says so; null when there is none. */
  async function tryAgainOrEnd(
    record: RequestRecord,
    service: Service,
    failed: Exclude<AttemptOutcome, { is: 'ended' | 'waiting' }>,
  ): Promise<{ record: RequestRecord; at: number } | null> {
    const { error, message_key, message_params } = failed
    const failure = { error, message_key, message_params }
    const counts = failed.is === 'failed'
    const waitMs =
      failed.is === 'given_back' ? 0
      : failed.is === 'not_begun' ? afterNothingBegun(service, record, failed.retryAfterMs)
      : afterFailure(service, record) // biome-ignore format: a table
    // Its deadline may have moved meanwhile, with a person who was being waited for.
    const known = await store.read(record.hash)
    if (!known) return null
    const due = dueAt(known.record)
    const at = Math.round(now() + waitMs)
    const inVain = due !== null && at >= due
    // A time limit is the request's, not the attempt's: trying again is for the person to decide.
    const mayPass = error.retryable && error.code !== 'timed_out'
    if (!mayPass || inVain || (counts && record.attempt >= record.max_attempts)) {
      await end(record, failure)
      return null
    }
    const outcome = await store.apply(record.hash, {
      type: 'retry', attempt: record.attempt, nextRetryAt: at, counts, ...failure,
    }) // biome-ignore format: one change
    return outcome.ok ? { record: outcome.stored.record, at } : null
  }

  async function end(record: RequestRecord, failure: Failure): Promise<void> {
    const outcome = await store.apply(record.hash, { type: 'fail', attempt: record.attempt, ...failure })
    if (!outcome.ok) log.debug({ hash: record.hash, refusal: outcome.refusal }, 'the failure came too late')
  }

  return {
    isTaking: () => !closing && worker.isRunning() && !worker.isPaused(),
    async stop() {
      closing = true
      // Takes nothing new; what runs may finish, and what takes longer is left for another worker to try again.
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
