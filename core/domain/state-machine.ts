/**
 * The life of a request: one table, and one pure function over it. No clock, no I/O: the same record and change
 * always give the same answer, so the rules are tested as properties and hold in every process alike.
 *
 *   pending       created, its job is queued; leaves when a worker takes it, or by cancel or failure
 *   processing    a worker has it (or waits for the next try); steps and progress move
 *   otp_required  a bot asked for a code; leaves when a code is handed over
 *   completed, failed, cancelled   final: nothing ever changes it again, but its time is renewed once on arrival
 */

import type { Command, Failure, Message } from './command.ts'
import { commonMessage } from './common-messages.ts'
import { resumeClocks, shortenEstimate } from './deadline.ts'
import { toIso } from './iso-time.ts'
import { failureMessage, isBlank, setMessage } from './message.ts'
import {
  codeRejection,
  limitsAfterCode,
  limitsLeft,
  limitsOf,
  nextPrompt,
  resendRejection,
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
import { applySubstepReports, completeAll, moveToStep, resetSubsteps } from './steps.ts'

/** What may happen in which state, and where it leads. */
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

/** Why a change was not made; also an error code of the catalogue. */
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

export type TransitionResult = { ok: true; record: RequestRecord } | { ok: false; refusal: RejectionCode }

export interface TransitionContext {
  /** Milliseconds at which the change happens. */
  now: number
  /** Seconds a record lives after its creation, and once more after its end. */
  ttlSeconds: number
}

/** The next record, or why there is none. Never changes its arguments. */
export function transition(
  record: RequestRecord,
  change: Command,
  { now, ttlSeconds }: TransitionContext,
): TransitionResult {
  const refusal = rejectionFor(record, change, now)
  if (refusal) return { ok: false, refusal }

  const at = Math.max(now, Date.parse(record.updated_at))
  const to = (TRANSITIONS[record.status] as Partial<Record<Command['type'], Status>>)[change.type] as Status
  const next: RequestRecord = { ...record, status: to, version: record.version + 1, updated_at: toIso(at) }
  if (record.status === 'otp_required' && to !== 'otp_required') resumeClocks(next, record, at)
  applyEffects(next, record, change, at)
  if (next.status === 'otp_required' && next.otp_data) next.otp_limits = limitsOf(next.otp_data)
  if (isFinal(next.status)) {
    next.completed_at = toIso(at)
    next.expires_at = toIso(at + ttlSeconds * 1000)
    next.next_retry_at = next.otp_data = null
  }
  return { ok: true, record: next }
}

function rejectionFor(record: RequestRecord, change: Command, now: number): RejectionCode | null {
  if (isFinal(record.status)) return 'already_final'
  if (change.type === 'start') {
    if (change.attempt <= record.attempt) return 'stale_attempt'
  } else if ('attempt' in change && change.attempt !== undefined && change.attempt !== record.attempt) {
    return 'stale_attempt'
  }
  const allowed = change.type in TRANSITIONS[record.status]
  if (change.type === 'reject_otp' && !record.otp_data) return 'otp_not_expected'
  if (change.type !== 'submit_otp' && change.type !== 'resend_otp')
    return allowed ? null : 'invalid_transition'
  if (!allowed || !record.otp_data) return 'otp_not_expected'
  return change.type === 'submit_otp'
    ? codeRejection(record.otp_data, change.otp, now)
    : resendRejection(record.otp_data, now)
}

/** What a change does beyond the status, the version and the time. `next` is a copy and may be written to. */
function applyEffects(next: RequestRecord, before: RequestRecord, change: Command, at: number): void {
  switch (change.type) {
    case 'start':
      next.attempt = change.attempt
      if (before.attempt === 0 && change.tries !== undefined) next.max_attempts = change.tries
      // A take-over from a dead worker may go beyond what was planned; nobody is shown the fourth of three.
      next.max_attempts = Math.max(next.max_attempts, change.attempt)
      next.started_at ??= toIso(at)
      next.estimated_end_at ??= toIso(at + next.estimated_duration * 1000)
      if (change.limitSeconds !== undefined) next.deadline_at ??= toIso(at + change.limitSeconds * 1000)
      next.otp_limits = limitsLeft(before)
      next.next_retry_at = next.otp_data = null
      next.steps = resetSubsteps(next.steps)
      return
    case 'progress':
      next.started_at ??= toIso(at)
      next.next_retry_at = null
      raiseProgress(next, change.progress)
      if (change.step !== undefined) {
        next.step = change.step
        next.steps = moveToStep(next.steps, change.step, at)
      }
      if (change.parts) next.steps = applySubstepReports(next.steps, change.parts, at)
      setMessage(next, change)
      shortenEstimate(next, at)
      return
    case 'retry':
      next.next_retry_at = toIso(change.nextRetryAt)
      if (change.counts === false) next.max_attempts++
      next.otp_limits = limitsLeft(before)
      next.otp_data = null
      setMessage(next, failureMessage(change))
      return
    case 'require_otp':
      next.started_at ??= toIso(at)
      ask(next, nextPrompt(before, change.otp, at), change.otp)
      return
    case 'reject_otp': {
      const message = isBlank(change.message) ? commonMessage('otp_rejected') : change
      ask(next, next.otp_data && withFailedAttempt(next.otp_data, message.message ?? '', at), message)
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
      next.result_data = change.result ?? null
      setMessage(
        next,
        isBlank(change.message) && change.message_key === undefined ? commonMessage('done') : change,
      )
      return
    case 'fail':
      setFailure(next, change)
      return
    case 'cancel':
      next.cancelled_by = change.by
      setMessage(next, commonMessage('cancelled'))
      return
    case 'submit_otp':
      if (next.otp_data) next.otp_limits = limitsAfterCode(next.otp_data, change.tryId)
      return
  }
}

/** Never down, not across a retry either, and never 100 before it is done. */
function raiseProgress(next: RequestRecord, progress: number): void {
  const wanted = Number.isFinite(progress) ? Math.floor(progress) : 0
  next.progress = next.max_progress = Math.max(
    next.progress,
    next.max_progress,
    Math.min(99, Math.max(0, wanted)),
  )
}

/** Asks for a code, or ends the request where no try is left. */
function ask(next: RequestRecord, prompt: StoredOtpPrompt | null, message: Message): void {
  if (prompt) {
    next.otp_data = prompt
    setMessage(next, message)
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
