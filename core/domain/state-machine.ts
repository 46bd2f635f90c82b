/**
 * The state machine of a request: one transition table, and one pure function over it. Without clock and I/O the same record
 * and command always give the same result, so the rules are tested as properties and hold in every process alike.
 *
 *   pending       created, its job is queued; left when a worker starts it, by cancellation or by failure
 *   processing    a worker runs it, or its next attempt is not due yet
 *   otp_required  a bot asked for a code or another answer; left when it is submitted
 *   completed, failed, cancelled   final: only its expiry changes, which is renewed on entry, and once more by `keep`
 */

import { toCancelReason } from './cancel-reason.ts'
import type { Command, Failure, Message } from './command.ts'
import {
  commonMessage,
  neededMessage,
  receivedMessage,
  rejectionMessage,
  startingOver,
} from './common-messages.ts'
import { extendDeadlines, hasLongLimit, KEEP_MS, outliveDeadline } from './deadline.ts'
import { expectEnd, updateExpectedEnd } from './expected-end.ts'
import { toIso } from './iso-time.ts'
import { failureMessage, isBlank, orStandard, setMessage } from './message.ts'
import { kindOf } from './otp-data.ts'
import {
  codeRejection,
  nextPrompt,
  otpLimitsAfterCode,
  remainingOtpLimits,
  resendRejection,
  toOtpLimits,
  withFailedAttempt,
  withResendRequested,
} from './otp-prompt.ts'
import { isFinal, type RequestRecord, type Status, type StoredOtpPrompt } from './record.ts'
import type { RequestFailure } from './request-failure.ts'
import { withoutSealed } from './sealed-values.ts'
import { applySubstepReports, completeAll, moveToStep, raiseProgress, resetSubsteps } from './steps.ts'

/** The commands allowed in each status, with the status that follows. */
export const TRANSITIONS = {
  pending: {
    start: 'processing',
    progress: 'processing',
    require_otp: 'otp_required',
    complete: 'completed',
    fail: 'failed',
    cancel: 'cancelled',
  },
  processing: {
    start: 'processing',
    progress: 'processing',
    retry: 'processing',
    require_otp: 'otp_required',
    reject_otp: 'otp_required',
    complete: 'completed',
    fail: 'failed',
    cancel: 'cancelled',
  },
  otp_required: {
    start: 'processing',
    progress: 'otp_required',
    retry: 'processing',
    require_otp: 'otp_required',
    submit_otp: 'processing',
    resend_otp: 'otp_required',
    withdraw_resend: 'otp_required',
    complete: 'completed',
    fail: 'failed',
    cancel: 'cancelled',
  },
  completed: { keep: 'completed' },
  failed: { keep: 'failed' },
  cancelled: { keep: 'cancelled' },
} as const satisfies Record<Status, Partial<Record<Command['type'], Status>>>

/** Why a command was rejected; also an error code of the catalogue. */
export type RejectionCode =
  | 'already_final'
  | 'not_final'
  | 'already_kept'
  | 'stale_attempt'
  | 'invalid_transition'
  | 'otp_not_expected'
  | 'invalid_otp'
  | 'otp_expired'
  | 'resend_not_offered'
  | 'resend_not_yet'
  | 'resend_exhausted'
  | 'otp_attempts_exhausted'

export type TransitionResult = { ok: true; record: RequestRecord } | { ok: false; rejection: RejectionCode }

export interface TransitionContext {
  /** Time of the change, milliseconds. */
  now: number
  /** Lifetime of a record, seconds, counted from its creation and again from its end. */
  ttlSeconds: number
}

/** Applies a command. Never changes its arguments. */
export function transition(
  record: RequestRecord,
  command: Command,
  { now, ttlSeconds }: TransitionContext,
): TransitionResult {
  const rejection = rejectionFor(record, command, now)
  if (rejection) return { ok: false, rejection: rejection }
  const at = Math.max(now, Date.parse(record.updated_at))
  const to = (TRANSITIONS[record.status] as Partial<Record<Command['type'], Status>>)[command.type] as Status
  const next: RequestRecord = { ...record, status: to, version: record.version + 1, updated_at: toIso(at) }
  if (record.status === 'otp_required' && to !== 'otp_required') extendDeadlines(next, record, at)
  applyEffects(next, record, command, at)
  if (next.status === 'otp_required' && next.otp_data)
    next.otp_limits = toOtpLimits(next.otp_data) ?? next.otp_limits
  if (hasLongLimit(next)) outliveDeadline(next)
  if (isFinal(next.status) && !isFinal(record.status)) {
    next.completed_at = toIso(at)
    next.expires_at = toIso(at + ttlSeconds * 1000)
    next.next_retry_at = next.otp_data = null
    next.request_data = withoutSealed(next.request_data)
  }
  return { ok: true, record: next }
}

function rejectionFor(record: RequestRecord, command: Command, now: number): RejectionCode | null {
  if (command.type === 'keep') return keepRejection(record)
  if (isFinal(record.status)) return 'already_final'
  if (command.type === 'start') {
    if (command.attempt <= record.attempt) return 'stale_attempt'
  } else if ('attempt' in command && command.attempt !== undefined && command.attempt !== record.attempt) {
    return 'stale_attempt'
  }
  const allowed = command.type in TRANSITIONS[record.status]
  if (command.type === 'reject_otp' && !record.otp_data) return 'otp_not_expected'
  if (command.type !== 'submit_otp' && command.type !== 'resend_otp')
    return allowed ? null : 'invalid_transition'
  if (!allowed || !record.otp_data) return 'otp_not_expected'
  return command.type === 'submit_otp'
    ? codeRejection(record.otp_data, command.otp, now)
    : resendRejection(record.otp_data, now)
}

const keepRejection = ({ status, kept }: RequestRecord): RejectionCode | null =>
  !isFinal(status) ? 'not_final' : kept ? 'already_kept' : null

/** Applies a command beyond status, version and time. Writes to `next`, which is a copy. */
function applyEffects(next: RequestRecord, before: RequestRecord, command: Command, at: number): void {
  switch (command.type) {
    case 'start':
      next.attempt = command.attempt
      if (before.attempt === 0 && command.tries !== undefined) next.max_attempts = command.tries
      // A takeover from a dead worker may exceed the planned attempts; raised, so that no page shows attempt 4 of 3.
      next.max_attempts = Math.max(next.max_attempts, command.attempt)
      next.started_at ??= toIso(at)
      expectEnd(next, command.expected, at)
      if (command.limitSeconds !== undefined) next.deadline_at ??= toIso(at + command.limitSeconds * 1000)
      next.bot = command.bot
      next.otp_limits = remainingOtpLimits(before)
      next.next_retry_at = next.otp_data = null
      next.steps = resetSubsteps(next.steps)
      // Until its bot reports one.
      next.step = null
      if (next.attempt > 1) setMessage(next, startingOver(next))
      return
    case 'progress':
      next.started_at ??= toIso(at)
      next.next_retry_at = null
      raiseProgress(next, command.progress)
      if (command.step !== undefined) {
        next.step = command.step
        next.steps = moveToStep(next.steps, command.step, at, before.step === null)
      }
      if (command.parts) next.steps = applySubstepReports(next.steps, command.parts, at)
      setMessage(next, command)
      updateExpectedEnd(next, before, at)
      return
    case 'retry':
      next.next_retry_at = toIso(command.nextRetryAt)
      if (command.counts === false) next.max_attempts++
      if (command.error.code === 'session_lost') next.session_lost = true
      next.otp_limits = remainingOtpLimits(before)
      next.otp_data = null
      setMessage(next, failureMessage(command))
      return
    case 'require_otp':
      next.started_at ??= toIso(at)
      requireOtp(next, nextPrompt(before, command.otp, at), command.otp)
      return
    case 'reject_otp': {
      const message = isBlank(command.message) ? rejectionMessage(before) : command
      requireOtp(next, next.otp_data && withFailedAttempt(next.otp_data, message.message ?? '', at), message)
      return
    }
    case 'resend_otp':
      if (next.otp_data) next.otp_data = withResendRequested(next.otp_data, at)
      return
    case 'withdraw_resend':
      if (next.otp_data) next.otp_data = { ...next.otp_data, resend_available_at: null }
      return
    case 'complete':
      next.progress = next.max_progress = 100
      next.steps = completeAll(next.steps, at)
      next.result_data = command.result ?? null
      setMessage(next, orStandard(command, commonMessage('done')))
      return
    case 'fail':
      setFailure(next, command)
      return
    case 'cancel':
      next.cancelled_by = command.by
      if (command.by === 'operator') next.cancel_reason = toCancelReason(command.reason)
      setMessage(next, commonMessage('cancelled'))
      return
    case 'keep':
      next.kept = true
      next.expires_at = toIso(Math.max(at + KEEP_MS, Date.parse(before.expires_at)))
      return
    case 'submit_otp':
      setMessage(next, receivedMessage(before))
      if (next.otp_data && kindOf(next.otp_data) === 'code')
        next.otp_limits = otpLimitsAfterCode(next.otp_data, command.tryId)
      return
  }
}

/** Opens the prompt; fails the request when no try is left. */
function requireOtp(next: RequestRecord, prompt: StoredOtpPrompt | null, message: Message): void {
  if (prompt) {
    next.otp_data = prompt
    setMessage(next, orStandard(message, neededMessage(next)))
  } else {
    next.status = 'failed'
    setFailure(next, { error: OTP_ATTEMPTS_EXHAUSTED })
  }
}

const OTP_ATTEMPTS_EXHAUSTED: RequestFailure = {
  code: 'otp_attempts_exhausted',
  message: commonMessage('otp_attempts_exhausted').message,
  retryable: false,
}

function setFailure(next: RequestRecord, failure: Failure): void {
  next.error_data = failure.error
  setMessage(next, failureMessage(failure))
}
