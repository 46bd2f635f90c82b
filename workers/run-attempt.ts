/**
 * Runs one attempt: calls the bot, watches the request meanwhile, and returns how the attempt ended. It never waits for a
 * code: a bot that answers `SMS_SENT` is called again once the code is there.
 */
import { nanoid } from 'nanoid'
import type { ResultDefinition } from '../core/catalog/result-definition.ts'
import type { EndedRequest } from '../core/domain/arrival.ts'
import type { Command, Failure } from '../core/domain/command.ts'
import { commonMessage } from '../core/domain/common-messages.ts'
import { otpWaitEndsAt } from '../core/domain/deadline.ts'
import { AppError, isRequestFailureCode } from '../core/domain/errors.ts'
import { type PublicView, type RequestRecord, type Status, toPublicView } from '../core/domain/record.ts'
import type { FailureCause } from '../core/domain/request-failure.ts'
import { openSealed } from '../core/domain/sealed-values.ts'
import { shortReference } from '../core/domain/short-reference.ts'
import type { EarlySubscription, UpdateListener } from '../core/pubsub/request-watcher.ts'
import { describeOwnCause } from '../core/runtime/error-cause.ts'
import type { Log } from '../core/runtime/log.ts'
import type { SecretBox } from '../core/runtime/secret-box.ts'
import type { AuditLog } from '../core/store/audit-log.ts'
import type { ApplyResult, RequestStore } from '../core/store/request-store.ts'
import { isStillSealed } from '../core/store/sealed-fields.ts'
import { retryUnavailable } from '../core/store/storage-errors.ts'
import { createAttemptSignal, type WorkerSignals } from './attempt-signal.ts'
import type { BotAnswer } from './bot-answer.ts'
import { type BotClient, BotNotReached } from './bot-client.ts'
import type { ChosenBot } from './bot-router.ts'
import { createFaultLog } from './result-fault-log.ts'
import type { Work } from './start-attempt.ts'
import { watchWrongCodes } from './wrong-codes.ts'

export type AttemptOutcome =
  /** The request is final, or a newer attempt was started; `completed` is the request if it has a result. */
  | { is: 'ended'; completed?: EndedRequest }
  | ({ is: 'failed' } & Failure)
  /** The bot started no work; `retryAfterMs` is its Retry-After, else 0. */
  | ({ is: 'not_reached'; retryAfterMs: number } & Failure)
  /** This worker stops: another one may start the next attempt immediately. */
  | ({ is: 'given_back' } & Failure)
  /** The request waits for a code, until `until` (milliseconds) at most. */
  | { is: 'waiting'; until: number }

export interface AttemptDeps {
  store: RequestStore
  bot: BotClient
  secretBox: Pick<SecretBox, 'open'>
  /** For wrong codes. */
  audit?: Pick<AuditLog, 'add'>
  log: Log
  /** Milliseconds since 1970, by the clock of the records. */
  now: () => number
}

/** The end as another process, or this one, has written it. */
const endedAs = (final?: EndedRequest & { status: Status }): AttemptOutcome =>
  final?.status === 'completed' ? { is: 'ended', completed: final } : { is: 'ended' }

export interface AttemptContext extends WorkerSignals {
  bot: ChosenBot
  /** Of the request, from before the attempt was started. */
  subscription: EarlySubscription
  /** What the service's result consists of. */
  result: ResultDefinition
  /** The time limit of the request, for the message of a timeout. */
  limitSeconds: number
}

interface CallContext {
  chosen: ChosenBot
  result: ResultDefinition
  signal: AbortSignal
  /** Called with each state of the request. */
  onState: (view: PublicView) => void
}

/** @returns a function that runs one attempt */
export function createAttemptRunner({ store, bot, secretBox, audit, log, now }: AttemptDeps) {
  const logFaults = createFaultLog(log)

  async function runAttempt(
    work: Work,
    { bot: chosen, subscription, result, limitSeconds, closing, stopping }: AttemptContext,
  ): Promise<AttemptOutcome> {
    const { record } = work
    const keepsSession = chosen.address !== undefined
    const attempt = createAttemptSignal(record, { closing, stopping, keepsSession, now: now() })
    const { signal } = attempt
    const onState = watchWrongCodes(record, audit)
    let latest: PublicView | undefined
    try {
      const listener: UpdateListener = {
        onUpdate({ view }) {
          latest = view
          onState(view)
          // A bot with an updater writes its result itself, and the attempt ends before the bot's answer.
          if (view.status === 'completed') logFaults(record, view.result_data, result)
          attempt.onUpdate(view)
        },
        onExpired: attempt.onExpired,
      }
      const written = work.isStarted ? record : undefined
      const watch = await retryUnavailable(() => subscription.watch(listener, written), { signal })
      try {
        onState(watch.latest.view)
        attempt.onUpdate(watch.latest.view)
        return await callBot(work, { chosen, result, signal, onState })
      } finally {
        watch.stop()
      }
    } catch (error) {
      const reason = signal.aborted ? signal.reason : toAppError(error, record, log)
      const typed = [record.request_data, openSealed(record.request_data, secretBox.open), work.otp]
      return toOutcome(reason, { limitSeconds, latest, typed })
    } finally {
      attempt.stop()
    }
  }

  async function callBot(
    work: Work,
    { chosen, result, signal, onState }: CallContext,
  ): Promise<AttemptOutcome> {
    const { record } = work
    const { hash, attempt } = record
    const answer = await sendCall({ bot, secretBox }, work, chosen, signal)
    if (answer.status === 'error') {
      const { status: _error, code, retryable, cause, ...localized } = answer
      if (code === 'OTP_REJECTED')
        return writeOtpCommand(
          { store, now, onState },
          hash,
          { type: 'reject_otp', attempt, ...localized },
          signal,
        )
      const { message, ...key } = localized
      return { is: 'failed', error: { code, message, retryable, ...(cause && { cause }) }, ...key }
    }
    if (answer.code === 'SMS_SENT') {
      const otp = { ...answer.otp_data, id: nanoid(10), recall: true }
      return writeOtpCommand({ store, now, onState }, hash, { type: 'require_otp', attempt, otp }, signal)
    }
    logFaults(record, answer.data, result)
    // A bot with an updater has usually written its result already, and that one counts; this is for bots that only answer.
    const complete: Command = { type: 'complete', attempt, result: answer.data ?? null }
    const outcome = await write(store, hash, complete, signal)
    if (!outcome.ok)
      log.debug({ request: shortReference(hash), rejection: outcome.rejection }, 'the result was refused')
    return endedAs(outcome.stored?.record)
  }

  return runAttempt
}

async function writeOtpCommand(
  { store, now, onState }: Pick<AttemptDeps, 'store' | 'now'> & Pick<CallContext, 'onState'>,
  hash: string,
  command: Command,
  signal: AbortSignal,
): Promise<AttemptOutcome> {
  const written = await write(store, hash, command, signal)
  if (!written.ok) throw new AppError(written.rejection)
  const { status, otp_data: prompt } = written.stored.record
  onState(toPublicView(written.stored.record, now()))
  // The code came before the question: the bot is called again with it.
  if (status === 'processing' && prompt?.recall) return { is: 'waiting', until: now() }
  // The last wrong code ends the request.
  return status === 'otp_required' && prompt ? { is: 'waiting', until: otpWaitEndsAt(prompt) } : endedAs()
}

/** The bot has done its work: repeats the write until Redis accepts it. */
const write = (
  store: Pick<RequestStore, 'apply'>,
  hash: string,
  command: Command,
  signal: AbortSignal,
): Promise<ApplyResult> => retryUnavailable(() => store.apply(hash, command), { signal })

/** @throws AppError `secret_unreadable`, `session_lost`, and as the client's `call` */
async function sendCall(
  { bot, secretBox }: Pick<AttemptDeps, 'bot' | 'secretBox'>,
  { record, otp, isResumed }: Work,
  { url, tokens }: ChosenBot,
  signal: AbortSignal,
): Promise<BotAnswer> {
  const { hash, attempt, service_slug: slug } = record
  const { request_data: data } = record
  const requestData = isStillSealed(data) ? null : openSealed(data, secretBox.open)
  if (requestData === null) throw new AppError('secret_unreadable')
  try {
    return await bot.call({ url, tokens, slug, hash, attempt, requestData, otp, isResumed, signal })
  } catch (error) {
    const needsSession = isResumed || otp !== undefined
    throw needsSession && error instanceof BotNotReached ? new AppError('session_lost') : error
  }
}

/** A bug of our own ends the attempt and counts as a failure: the same call may trigger it again. */
function toAppError(error: unknown, { hash, attempt }: RequestRecord, log: Log): AppError {
  if (error instanceof AppError) return error
  log.error(
    { err: error, request: shortReference(hash), attempt },
    'an attempt failed with an unexpected error',
  )
  return new AppError('internal_error', { cause: error })
}

interface OutcomeContext {
  limitSeconds: number
  latest: PublicView | undefined
  /** What the person typed. */
  typed: unknown
}

function toOutcome(error: AppError, { limitSeconds, latest, typed }: OutcomeContext): AttemptOutcome {
  switch (error.code) {
    case 'already_final':
    case 'stale_attempt':
    case 'request_expired':
    case 'request_not_found':
      return endedAs(latest)
    default: {
      const failure = toFailure(error, limitSeconds, causeOf(error, typed))
      if (error.code === 'worker_stopping') return { is: 'given_back', ...failure }
      if (!(error instanceof BotNotReached)) return { is: 'failed', ...failure }
      return { is: 'not_reached', ...failure, retryAfterMs: (error.retryAfterSeconds ?? 0) * 1000 }
    }
  }
}

/** What makes an error of this process findable: a code of the catalogue says enough where nothing is behind it. */
function causeOf(error: AppError, typed: unknown): FailureCause | undefined {
  const isKnown = error.cause === undefined && isRequestFailureCode(error.code)
  return isKnown ? undefined : describeOwnCause(error, typed)
}

/** `message` is for readers that know no message keys: the bot's own message, or a detail for operators. */
function toFailure(
  { code, retryable, detail }: AppError,
  limitSeconds: number,
  cause: FailureCause | undefined,
): Failure {
  const { message, ...key } =
    code === 'timed_out' ? commonMessage('timed_out_after', { seconds: limitSeconds })
    : isRequestFailureCode(code) ? commonMessage(code)
    : commonMessage('internal_error') // biome-ignore format: a table
  return { error: { code, message: detail ?? message, retryable, ...(cause && { cause }) }, ...key }
}
