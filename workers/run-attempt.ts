/**
 * One attempt at a request: calls the bot, follows the request meanwhile, and says how the attempt ended. It never
 * waits for a person: a bot that answers that it had a code sent is called again once the code is there.
 */
import { nanoid } from 'nanoid'
import type { Command, Failure } from '../core/domain/command.ts'
import { commonMessage } from '../core/domain/common-messages.ts'
import { otpWaitEndsAt } from '../core/domain/deadline.ts'
import { AppError, isRequestFailureCode } from '../core/domain/errors.ts'
import { isFinal, type PublicView, type RequestRecord } from '../core/domain/record.ts'
import type { RequestWatcher, UpdateListener } from '../core/pubsub/request-watcher.ts'
import type { Log } from '../core/runtime/log.ts'
import type { ApplyResult, RequestStore } from '../core/store/request-store.ts'
import { retryUnavailable } from '../core/store/retry-unavailable.ts'
import { type BotClient, BotNotReached } from './bot-client.ts'
import { createPausableTimeout } from './pausable-timeout.ts'

export type AttemptOutcome =
  /** The request is final, or no longer ours. */
  | { is: 'ended' }
  | ({ is: 'failed' } & Failure)
  /** Nothing was begun; the bot may have said how long it wants to be left alone. */
  | ({ is: 'not_begun'; retryAfterMs: number } & Failure)
  /** This worker stops: the next one may begin anew at once. */
  | ({ is: 'given_back' } & Failure)
  /** A code is being waited for; at `until`, milliseconds, nobody is expected any more. */
  | { is: 'waiting'; until: number }

export interface AttemptDeps {
  store: RequestStore
  live: RequestWatcher
  bot: BotClient
  log: Log
  /** Milliseconds since 1970, by the clock of the records. */
  now: () => number
}

const ENDED: AttemptOutcome = { is: 'ended' }

export interface AttemptContext {
  /** The request's own limit, for the words. */
  limitSeconds: number
  /** Aborts when the worker stops. */
  stopping: AbortSignal
  /** The code, for a bot that is called again. */
  otp?: string
}

export function createAttemptRunner({ store, live, bot, log, now }: AttemptDeps) {
  async function attempt(
    record: RequestRecord,
    { limitSeconds, stopping, otp }: AttemptContext,
  ): Promise<AttemptOutcome> {
    const abort = new AbortController()
    const clock = createPausableTimeout(remainingMs(record, now()), () =>
      abort.abort(new AppError('timed_out')),
    )
    const onStop = (): void => abort.abort(stopping.reason)
    if (stopping.aborted) onStop()
    else stopping.addEventListener('abort', onStop)
    const follow = ({ status, attempt: present }: PublicView): void => {
      if (isFinal(status)) abort.abort(new AppError('already_final'))
      else if (present > record.attempt) abort.abort(new AppError('stale_attempt'))
      else if (status === 'otp_required') clock.pause()
      else clock.resume()
    }
    try {
      const listener: UpdateListener = {
        update: ({ view }) => follow(view),
        expired: () => abort.abort(new AppError('request_expired')),
      }
      const watch = await retryUnavailable(() => live.watch(record.hash, listener), {
        signal: abort.signal,
      })
      try {
        follow(watch.latest.view)
        return await callBot(record, abort.signal, otp)
      } finally {
        watch.stop()
      }
    } catch (error) {
      return toOutcome(abort.signal.aborted ? abort.signal.reason : expected(error, record), limitSeconds)
    } finally {
      clock.stop()
      stopping.removeEventListener('abort', onStop)
    }
  }

  async function callBot(record: RequestRecord, signal: AbortSignal, otp?: string): Promise<AttemptOutcome> {
    const { hash, attempt, service_slug: slug, request_data: requestData } = record
    const answer = await bot.call({ slug, hash, attempt, requestData, otp, signal })
    if (answer.status === 'error') {
      const { status: _error, code, retryable, ...told } = answer
      if (code === 'OTP_REJECTED') return requestOtp(hash, { type: 'reject_otp', attempt, ...told }, signal)
      const { message, ...key } = told
      return { is: 'failed', error: { code, message, retryable }, ...key }
    }
    if (answer.code === 'SMS_SENT') {
      const otp = { ...answer.otp_data, id: nanoid(10), recall: true }
      return requestOtp(hash, { type: 'require_otp', attempt, otp }, signal)
    }
    // The bot has usually written this itself; its own word counts, this is for bots that only answer.
    const outcome = await write(hash, { type: 'complete', attempt, result: answer.data ?? null }, signal)
    if (!outcome.ok) log.debug({ hash, refusal: outcome.refusal }, 'the result was there already')
    return ENDED
  }

  /** The bot has done its work: what it answered is kept and written as soon as Redis accepts it. */
  const write = (hash: string, change: Command, signal: AbortSignal): Promise<ApplyResult> =>
    retryUnavailable(() => store.apply(hash, change), { signal })

  async function requestOtp(hash: string, change: Command, signal: AbortSignal): Promise<AttemptOutcome> {
    const asked = await write(hash, change, signal)
    if (!asked.ok) throw new AppError(asked.refusal)
    const { status, otp_data: prompt } = asked.stored.record
    // The last wrong code has ended the request.
    return status === 'otp_required' && prompt ? { is: 'waiting', until: otpWaitEndsAt(prompt) } : ENDED
  }

  /** A mistake of our own ends the attempt and counts like any other failure: the same call may make it again. */
  function expected(error: unknown, { hash, attempt }: RequestRecord): AppError {
    if (error instanceof AppError) return error
    log.error({ err: error, hash, attempt }, 'an attempt failed for an unforeseen reason')
    return new AppError('internal_error', { cause: error })
  }

  return attempt
}

/** What is left of the request's own time: it counts all attempts together. */
const remainingMs = ({ deadline_at }: RequestRecord, now: number): number =>
  deadline_at === null ? 300_000 : Math.max(0, Date.parse(deadline_at) - now)

function toOutcome(error: AppError, limitSeconds: number): AttemptOutcome {
  switch (error.code) {
    case 'already_final':
    case 'stale_attempt':
    case 'request_expired':
    case 'request_not_found':
      return ENDED
    default: {
      const failure = failureOf(error, limitSeconds)
      if (error.code === 'worker_stopping') return { is: 'given_back', ...failure }
      if (!(error instanceof BotNotReached)) return { is: 'failed', ...failure }
      return { is: 'not_begun', ...failure, retryAfterMs: (error.retryAfterSeconds ?? 0) * 1000 }
    }
  }
}

/** Its words are for whoever knows no key: what the bot said, or more than people need to know. */
function failureOf({ code, retryable, detail }: AppError, limitSeconds: number): Failure {
  const { message, ...key } =
    code === 'timed_out' ? commonMessage('timed_out_after', { seconds: limitSeconds })
    : isRequestFailureCode(code) ? commonMessage(code)
    : commonMessage('internal_error') // biome-ignore format: a table
  return { error: { code, message: detail ?? message, retryable }, ...key }
}
