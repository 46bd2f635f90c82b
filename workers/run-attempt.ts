/**
 * Runs one attempt: calls the bot, watches the request meanwhile, and returns how the attempt ended. It never waits for a
 * code: a bot that answers `SMS_SENT` is called again once the code is there.
 */
import { nanoid } from 'nanoid'
import type { ResultDefinition } from '../core/catalog/result-definition.ts'
import { findResultFaults } from '../core/catalog/result-faults.ts'
import type { Command, Failure } from '../core/domain/command.ts'
import { commonMessage } from '../core/domain/common-messages.ts'
import { otpWaitEndsAt } from '../core/domain/deadline.ts'
import { AppError, isRequestFailureCode } from '../core/domain/errors.ts'
import type { RequestRecord } from '../core/domain/record.ts'
import { openSealed } from '../core/domain/sealed-values.ts'
import type { SecretBox } from '../core/domain/secret-box.ts'
import type { RequestWatcher, UpdateListener } from '../core/pubsub/request-watcher.ts'
import { createOnce } from '../core/redis/once.ts'
import type { Log } from '../core/runtime/log.ts'
import type { ApplyResult, RequestStore } from '../core/store/request-store.ts'
import { retryUnavailable } from '../core/store/storage-errors.ts'
import { createAttemptSignal, type WorkerSignals } from './attempt-signal.ts'
import { type BotAnswer, type BotClient, BotNotReached } from './bot-client.ts'
import type { ChosenBot } from './bot-router.ts'
import type { Work } from './start-attempt.ts'

export type AttemptOutcome =
  /** The request is final, or a newer attempt was started. */
  | { is: 'ended' }
  | ({ is: 'failed' } & Failure)
  /** The bot started no work; `retryAfterMs` is its Retry-After, else 0. */
  | ({ is: 'not_reached'; retryAfterMs: number } & Failure)
  /** This worker stops: another one may start the next attempt immediately. */
  | ({ is: 'given_back' } & Failure)
  /** The request waits for a code, until `until` (milliseconds) at most. */
  | { is: 'waiting'; until: number }

export interface AttemptDeps {
  store: RequestStore
  watcher: RequestWatcher
  bot: BotClient
  secretBox: Pick<SecretBox, 'open'>
  log: Log
  /** Milliseconds since 1970, by the clock of the records. */
  now: () => number
}

const ENDED: AttemptOutcome = { is: 'ended' }

export interface AttemptContext extends WorkerSignals {
  bot: ChosenBot
  /** What the service's result consists of. */
  result: ResultDefinition
  /** The time limit of the request, for the message of a timeout. */
  limitSeconds: number
}

/** @returns a function that runs one attempt */
export function createAttemptRunner({ store, watcher, bot, secretBox, log, now }: AttemptDeps) {
  const logFaults = createFaultLog(log)

  async function runAttempt(
    work: Work,
    { bot: chosen, result, limitSeconds, closing, stopping }: AttemptContext,
  ): Promise<AttemptOutcome> {
    const { record } = work
    const keepsSession = chosen.address !== undefined
    const attempt = createAttemptSignal(record, { closing, stopping, keepsSession, now: now() })
    const { signal } = attempt
    try {
      const listener: UpdateListener = {
        onUpdate({ view }) {
          // A bot with an updater writes its result itself, and the attempt ends before the bot's answer.
          if (view.status === 'completed') logFaults(record, view.result_data, result)
          attempt.onUpdate(view)
        },
        onExpired: attempt.onExpired,
      }
      const watch = await retryUnavailable(() => watcher.watch(record.hash, listener), { signal })
      try {
        attempt.onUpdate(watch.latest.view)
        return await callBot(work, { chosen, result, signal })
      } finally {
        watch.stop()
      }
    } catch (error) {
      return toOutcome(signal.aborted ? signal.reason : toAppError(error, record, log), limitSeconds)
    } finally {
      attempt.stop()
    }
  }

  async function callBot(
    work: Work,
    { chosen, result, signal }: { chosen: ChosenBot; result: ResultDefinition; signal: AbortSignal },
  ): Promise<AttemptOutcome> {
    const { record } = work
    const { hash, attempt } = record
    const answer = await sendCall({ bot, secretBox }, work, chosen, signal)
    if (answer.status === 'error') {
      const { status: _error, code, retryable, ...localized } = answer
      if (code === 'OTP_REJECTED')
        return writeOtpCommand(hash, { type: 'reject_otp', attempt, ...localized }, signal)
      const { message, ...key } = localized
      return { is: 'failed', error: { code, message, retryable }, ...key }
    }
    if (answer.code === 'SMS_SENT') {
      const otp = { ...answer.otp_data, id: nanoid(10), recall: true }
      return writeOtpCommand(hash, { type: 'require_otp', attempt, otp }, signal)
    }
    logFaults(record, answer.data, result)
    // A bot with an updater has usually written its result already, and that one counts; this is for bots that only answer.
    const outcome = await write(hash, { type: 'complete', attempt, result: answer.data ?? null }, signal)
    if (!outcome.ok) log.debug({ hash, rejection: outcome.rejection }, 'the result was refused')
    return ENDED
  }

  /** The bot has done its work: repeat the write until Redis accepts it. */
  const write = (hash: string, command: Command, signal: AbortSignal): Promise<ApplyResult> =>
    retryUnavailable(() => store.apply(hash, command), { signal })

  async function writeOtpCommand(
    hash: string,
    command: Command,
    signal: AbortSignal,
  ): Promise<AttemptOutcome> {
    const written = await write(hash, command, signal)
    if (!written.ok) throw new AppError(written.rejection)
    const { status, otp_data: prompt } = written.stored.record
    // The code came before the question: the bot is called again with it.
    if (status === 'processing' && prompt?.recall) return { is: 'waiting', until: now() }
    // The last wrong code ends the request.
    return status === 'otp_required' && prompt ? { is: 'waiting', until: otpWaitEndsAt(prompt) } : ENDED
  }

  return runAttempt
}

/** @throws AppError `secret_unreadable`, `session_lost`, and as the client's `call` */
async function sendCall(
  { bot, secretBox }: Pick<AttemptDeps, 'bot' | 'secretBox'>,
  { record, otp, isResumed }: Work,
  { url, token }: ChosenBot,
  signal: AbortSignal,
): Promise<BotAnswer> {
  const { hash, attempt, service_slug: slug } = record
  const requestData = openSealed(record.request_data, secretBox.open)
  if (requestData === null) throw new AppError('secret_unreadable')
  try {
    return await bot.call({ url, token, slug, hash, attempt, requestData, otp, isResumed, signal })
  } catch (error) {
    const needsSession = isResumed || otp !== undefined
    throw needsSession && error instanceof BotNotReached ? new AppError('session_lost') : error
  }
}

/** Logs what in a result does not fit its definition: once for each kind of fault, since every request of the service has it. */
function createFaultLog(log: Log) {
  const isFirst = createOnce()
  return (
    { hash, service_slug: service }: RequestRecord,
    result: unknown,
    definition: ResultDefinition,
  ): void => {
    const faults = findResultFaults(result, definition)
    if (faults.length > 0 && isFirst(`${service} ${faults}`))
      log.warn({ hash, service, faults }, 'a result does not fit its definition')
  }
}

/** A bug of our own ends the attempt and counts as a failure: the same call may trigger it again. */
function toAppError(error: unknown, { hash, attempt }: RequestRecord, log: Log): AppError {
  if (error instanceof AppError) return error
  log.error({ err: error, hash, attempt }, 'an attempt failed with an unexpected error')
  return new AppError('internal_error', { cause: error })
}

function toOutcome(error: AppError, limitSeconds: number): AttemptOutcome {
  switch (error.code) {
    case 'already_final':
    case 'stale_attempt':
    case 'request_expired':
    case 'request_not_found':
      return ENDED
    default: {
      const failure = toFailure(error, limitSeconds)
      if (error.code === 'worker_stopping') return { is: 'given_back', ...failure }
      if (!(error instanceof BotNotReached)) return { is: 'failed', ...failure }
      return { is: 'not_reached', ...failure, retryAfterMs: (error.retryAfterSeconds ?? 0) * 1000 }
    }
  }
}

/** `message` is for readers that know no message keys: the bot's own message, or a detail for operators. */
function toFailure({ code, retryable, detail }: AppError, limitSeconds: number): Failure {
  const { message, ...key } =
    code === 'timed_out' ? commonMessage('timed_out_after', { seconds: limitSeconds })
    : isRequestFailureCode(code) ? commonMessage(code)
    : commonMessage('internal_error') // biome-ignore format: a table
  return { error: { code, message: detail ?? message, retryable }, ...key }
}
