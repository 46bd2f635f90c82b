/**
 * The life of a request: one table, and one pure function over it. No clock, no I/O: the same record and change
 * always give the same answer, so the rules are tested as properties and hold in every process alike.
 *
 *   pending       created, its job is queued; leaves when a worker takes it, or by cancel or failure
 *   processing    a worker has it (or waits for the next try); steps and progress move
 *   otp_required  a bot asked for a code; leaves when a code is handed over
 *   completed, failed, cancelled   final: nothing ever changes it again, but its time is renewed once on arrival
 */

import { sayCommon } from './common-messages.ts'
import { resumeClocks, shortenEstimate } from './deadline.ts'
import { toIso } from './iso-time.ts'
import { isBlank, say, type Told, toldOf } from './message.ts'
import {
  afterWrongCode,
  askAgain,
  limitsAfterCode,
  limitsLeft,
  limitsOf,
  nextPrompt,
  type OtpRequest,
  refuseCode,
  refuseResend,
} from './otp-prompt.ts'
import {
  isFinal,
  type PartReport,
  type RequestError,
  type RequestRecord,
  type Status,
  type StoredPrompt,
} from './record.ts'
import { allDone, partsAnew, partsAt, stepsAt } from './steps.ts'

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
} as const satisfies Record<Status, Partial<Record<Change['type'], Status>>>

type Message = Partial<Told>
/** Its words are the error's; its key is the error's code, where no other is given. */
export type Failure = { error: RequestError } & Pick<Told, 'message_key' | 'message_params'>

/** What somebody wants to happen. Changes of a bot or worker carry the attempt they belong to. */
export type Change =
  /**
   * `limitSeconds` is the most that all attempts together may take, waits for a person not counted. `tries`, with the first
   * one, is how many there will be, whatever was planned.
   */
  | { type: 'start'; attempt: number; limitSeconds?: number; tries?: number }
  | ({ type: 'progress'; attempt: number; progress: number; step?: string; parts?: PartReport[] } & Message)
  /** `counts: false`: no work was begun, or not by its own fault ended: the attempt is made good by one more. */
  | ({ type: 'retry'; attempt: number; nextRetryAt: number; counts?: boolean } & Failure)
  | { type: 'require_otp'; attempt: number; otp: OtpRequest }
  | ({ type: 'reject_otp'; attempt: number } & Message)
  /** `tryId` is how it is counted for its person. */
  | { type: 'submit_otp'; tryId?: string }
  | { type: 'resend_otp' }
  /** The bot that waits for the code has no other one sent. */
  | { type: 'withdraw_resend'; attempt: number }
  | ({ type: 'complete'; attempt: number; result: unknown } & Message)
  | ({ type: 'fail'; attempt?: number } & Failure)
  | { type: 'cancel'; by: NonNullable<RequestRecord['cancelled_by']> }

/** Why a change was not made; also an error code of the catalogue. */
export type Refusal =
  | 'already_final'
  | 'stale_attempt'
  | 'invalid_transition'
  | 'otp_not_expected'
  | 'otp_expired'
  | 'resend_not_offered'
  | 'resend_not_yet'
  | 'resend_exhausted'
  | 'otp_attempts_exhausted'

export type Advanced = { ok: true; record: RequestRecord } | { ok: false; refusal: Refusal }

export interface Rules {
  /** Milliseconds at which the change happens. */
  now: number
  /** Seconds a record lives after its creation, and once more after its end. */
  ttlSeconds: number
}

/** The next record, or why there is none. Never changes its arguments. */
export function advance(record: RequestRecord, change: Change, { now, ttlSeconds }: Rules): Advanced {
  const refusal = refuse(record, change, now)
  if (refusal) return { ok: false, refusal }

  const at = Math.max(now, Date.parse(record.updated_at))
  const to = (TRANSITIONS[record.status] as Partial<Record<Change['type'], Status>>)[change.type] as Status
  const next: RequestRecord = { ...record, status: to, version: record.version + 1, updated_at: toIso(at) }
  if (record.status === 'otp_required' && to !== 'otp_required') resumeClocks(next, record, at)
  effects(next, record, change, at)
  if (next.status === 'otp_required' && next.otp_data) next.otp_limits = limitsOf(next.otp_data)
  if (isFinal(next.status)) {
    next.completed_at = toIso(at)
    next.expires_at = toIso(at + ttlSeconds * 1000)
    next.next_retry_at = next.otp_data = null
  }
  return { ok: true, record: next }
}

function refuse(record: RequestRecord, change: Change, now: number): Refusal | null {
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
  return change.type === 'submit_otp' ? refuseCode(record.otp_data, now) : refuseResend(record.otp_data, now)
}

/** What a change does beyond the status, the version and the time. `next` is a copy and may be written to. */
function effects(next: RequestRecord, before: RequestRecord, change: Change, at: number): void {
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
      next.steps = partsAnew(next.steps)
      return
    case 'progress':
      next.started_at ??= toIso(at)
      next.next_retry_at = null
      moveProgress(next, change.progress)
      if (change.step !== undefined) {
        next.step = change.step
        next.steps = stepsAt(next.steps, change.step, at)
      }
      if (change.parts) next.steps = partsAt(next.steps, change.parts, at)
      say(next, change)
      shortenEstimate(next, at)
      return
    case 'retry':
      next.next_retry_at = toIso(change.nextRetryAt)
      if (change.counts === false) next.max_attempts++
      next.otp_limits = limitsLeft(before)
      next.otp_data = null
      say(next, toldOf(change))
      return
    case 'require_otp':
      next.started_at ??= toIso(at)
      ask(next, nextPrompt(before, change.otp, at), change.otp)
      return
    case 'reject_otp': {
      const told = isBlank(change.message) ? sayCommon('otp_rejected') : change
      ask(next, next.otp_data && afterWrongCode(next.otp_data, told.message ?? '', at), told)
      return
    }
    case 'resend_otp':
      if (next.otp_data) next.otp_data = askAgain(next.otp_data, at)
      return
    case 'withdraw_resend':
      if (next.otp_data) next.otp_data = { ...next.otp_data, resend_available_at: null }
      return
    case 'complete':
      next.progress = next.reached = 100
      next.steps = allDone(next.steps, at)
      next.result_data = change.result ?? null
      say(next, isBlank(change.message) && change.message_key === undefined ? sayCommon('done') : change)
      return
    case 'fail':
      endAsFailed(next, change)
      return
    case 'cancel':
      next.cancelled_by = change.by
      say(next, sayCommon('cancelled'))
      return
    case 'submit_otp':
      if (next.otp_data) next.otp_limits = limitsAfterCode(next.otp_data, change.tryId)
      return
  }
}

/** Never down, not across a retry either, and never 100 before it is done. */
function moveProgress(next: RequestRecord, progress: number): void {
  const wanted = Number.isFinite(progress) ? Math.floor(progress) : 0
  next.progress = next.reached = Math.max(next.progress, next.reached, Math.min(99, Math.max(0, wanted)))
}

/** Asks for a code, or ends the request where no try is left. */
function ask(next: RequestRecord, prompt: StoredPrompt | null, told: Message): void {
  if (prompt) {
    next.otp_data = prompt
    say(next, told)
  } else {
    next.status = 'failed'
    endAsFailed(next, { error: TOO_MANY_CODES })
  }
}

const TOO_MANY_CODES: RequestError = {
  code: 'otp_attempts_exhausted',
  message: sayCommon('otp_attempts_exhausted').message,
  retryable: false,
}

function endAsFailed(next: RequestRecord, failure: Failure): void {
  next.error_data = failure.error
  say(next, toldOf(failure))
}
