/**
 * The state machine of a request: one transition table, and one pure function over it. Without clock and I/O the same record
 * and command always give the same result, so the rules are tested as properties and hold in every process alike.
 *
 *   pending       created, its job is queued; left when a worker starts it, by cancellation or by failure
 *   processing    a worker runs it, or its next attempt is not due yet
 *   otp_required  a bot asked for a code or another answer; left when it is submitted
 *   completed, failed, cancelled   final: it never changes again. Its expiry is renewed once, on entry
 */

import type { Command, Failure, Message } from './command.ts'
import { commonMessage } from './common-messages.ts'
import { extendDeadlines, hasLongLimit, lowerEstimate, outliveDeadline } from './deadline.ts'
import { toIso } from './iso-time.ts'
import { failureMessage, isBlank, setMessage } from './message.ts'
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
import {
  isFinal,
  type RequestFailure,
  type RequestRecord,
  type Status,
  type StoredOtpPrompt,
} from './record.ts'
import { withoutSealed } from './sealed-values.ts'
import { applySubstepReports, completeAll, moveToStep, resetSubsteps } from './steps.ts'

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
  completed: {},
  failed: {},
  cancelled: {},
} as const satisfies Record<Status, Partial<Record<Command['type'], Status>>>

/** Why a command was rejected; also an error code of the catalogue. */
export type RejectionCode =
  | 'already_final'
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
  if (isFinal(next.status)) {
    next.completed_at = toIso(at)
    next.expires_at = toIso(at + ttlSeconds * 1000)
    next.next_retry_at = next.otp_data = null
    next.request_data = withoutSealed(next.request_data)
  }
  return { ok: true, record: next }
}

function rejectionFor(record: RequestRecord, command: Command, now: number): RejectionCode | null {
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

/** Applies a command beyond status, version and time. Writes to `next`, which is a copy. */
function applyEffects(next: RequestRecord, before: RequestRecord, command: Command, at: number): void {
  switch (command.type) {
    case 'start':
      next.attempt = command.attempt
      if (before.attempt === 0 && command.tries !== undefined) next.max_attempts = command.tries
      // A takeover from a dead worker may exceed the planned attempts; raised, so that no page shows attempt 4 of 3.
      next.max_attempts = Math.max(next.max_attempts, command.attempt)
      next.started_at ??= toIso(at)
      next.estimated_end_at ??= toIso(at + next.estimated_duration * 1000)
      if (command.limitSeconds !== undefined) next.deadline_at ??= toIso(at + command.limitSeconds * 1000)
      next.bot = command.bot
      next.otp_limits = remainingOtpLimits(before)
      next.next_retry_at = next.otp_data = null
      next.steps = resetSubsteps(next.steps)
      return
    case 'progress':
      next.started_at ??= toIso(at)
      next.next_retry_at = null
      raiseProgress(next, command.progress)
      if (command.step !== undefined) {
        next.step = command.step
        next.steps = moveToStep(next.steps, command.step, at)
      }
      if (command.parts) next.steps = applySubstepReports(next.steps, command.parts, at)
      setMessage(next, command)
      lowerEstimate(next, at)
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
      setMessage(
        next,
        isBlank(command.message) && command.message_key === undefined ? commonMessage('done') : command,
      )
      return
    case 'fail':
      setFailure(next, command)
      return
    case 'cancel':
      next.cancelled_by = command.by
      setMessage(next, commonMessage('cancelled'))
      return
    case 'submit_otp':
      // Until the bot reports, the page would go on to say that the answer was wrong.
      if (next.otp_data?.error) setMessage(next, commonMessage('checking'))
      if (next.otp_data && kindOf(next.otp_data) === 'code')
        next.otp_limits = otpLimitsAfterCode(next.otp_data, command.tryId)
      return
  }
}

/** Progress never decreases, not across a retry either, and is at most 99 before completion. */
function raiseProgress(next: RequestRecord, progress: number): void {
  const whole = Number.isFinite(progress) ? Math.floor(progress) : 0
  next.progress = next.max_progress = Math.max(
    next.progress,
    next.max_progress,
    Math.min(99, Math.max(0, whole)),
  )
}

/** Opens the prompt; fails the request when no try is left. */
function requireOtp(next: RequestRecord, prompt: StoredOtpPrompt | null, message: Message): void {
  if (prompt) {
    next.otp_data = prompt
    setMessage(next, message)
  } else {
    next.status = 'failed'
    setFailure(next, { error: OTP_ATTEMPTS_EXHAUSTED })
  }
}

const rejectionMessage = ({ otp_data }: RequestRecord) =>
  otp_data && kindOf(otp_data) !== 'code' ? commonMessage('answer_rejected') : commonMessage('otp_rejected')

const OTP_ATTEMPTS_EXHAUSTED: RequestFailure = {
  code: 'otp_attempts_exhausted',
  message: commonMessage('otp_attempts_exhausted').message,
  retryable: false,
}

function setFailure(next: RequestRecord, failure: Failure): void {
  next.error_data = failure.error
  setMessage(next, failureMessage(failure))
}
