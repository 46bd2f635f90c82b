/**
 * When what stands in Redis is not what followed from what we wrote: another program put back what it had read before
 * (GET, then SETEX, with a write of ours in between), counts no versions, or a fail-over has lost the last writes. What
 * was written or shown once then stays true, and what the other has to report comes on top of it.
 */

import { toIso } from '../domain/iso-time.ts'
import { keyOf } from '../domain/message.ts'
import { limitsOf, withinLimits } from '../domain/otp-prompt.ts'
import {
  isFinal,
  isNewer,
  type OtpPrompt,
  type Position,
  type PublicView,
  type RequestRecord,
  type StoredPrompt,
} from '../domain/record.ts'
import type { Rules } from '../domain/state-machine.ts'
import { allDone, partsAt, stepsAt } from '../domain/steps.ts'
import { adopt, type ForeignRecord } from './foreign-record.ts'
import { unknownFields } from './unknown-fields.ts'

/** What is known of a request: the record, or only what was shown of it. */
export type Known = RequestRecord | PublicView

/** Null where nothing is known. */
type MayBeKnown = Known | null | undefined

/**
 * The newest of them; of two that are alike the one that comes first. Where that was only shown, the rest is taken from
 * the newest record, or from `present`; null when there is neither.
 */
export function lastKnown(known: MayBeKnown[], present: RequestRecord | null = null): RequestRecord | null {
  const newest = newestOf(known)
  if (!newest || isRecord(newest)) return newest
  const record = newestOf(known.filter((one) => !!one && isRecord(one))) ?? present
  return record && asRecord(newest, record as RequestRecord)
}

const newestOf = (known: MayBeKnown[]): Known | null =>
  known.reduce<Known | null>((best, one) => (one && (!best || isNewer(one, best)) ? one : best), null)

/** Whether `next` cannot have followed from `known`: something would be taken back that was promised not to be. */
export const goesBack = (known: Position, next: Position): boolean =>
  next.version < known.version ||
  (next.version === known.version && !isSameWrite(known, next)) ||
  next.progress < known.progress ||
  next.attempt < known.attempt ||
  (isFinal(known.status) && !isFinal(next.status))

const isSameWrite = (a: Position, b: Position): boolean =>
  a.updated_at === b.updated_at && (!isRecord(a) || !isRecord(b) || a.write_id === b.write_id)

const isRecord = (known: Position): known is RequestRecord => 'request_data' in known

/**
 * The next record when `theirs` stands where something `known` should. Final stays final. A writer that had read what we
 * know is believed whatever it changed; one that had not reports only what is not behind: progress, step, message, its
 * end.
 */
export function mergeRecords(known: MayBeKnown[], theirs: ForeignRecord, rules: Rules): RequestRecord {
  const put = adopt(theirs, rules)
  const ours = lastKnown(known, put)
  if (!ours) return put
  const isOnTop = hadRead(ours, theirs)
  const unknown = unknownFields(put)
  const held: RequestRecord = {
    ...(isOnTop ? { ...ours, ...unknown } : { ...unknown, ...ours }),
    guarded: true,
    version: Math.max(ours.version, theirs.version) + 1,
    updated_at: toIso(Math.max(Date.parse(put.updated_at), Date.parse(ours.updated_at))),
  }
  const isTakenOver = !isOnTop && theirs.attempt > 0 && theirs.attempt < ours.attempt
  if (isFinal(ours.status) || isTakenOver) return held

  const ended = isFinal(put.status)
  if (ended || isOnTop || put.progress >= ours.progress) takeWords(held, put)
  held.attempt = Math.max(ours.attempt, put.attempt)
  held.max_attempts = Math.max(ours.max_attempts, put.max_attempts)
  held.started_at ??= put.started_at
  held.progress = held.reached = Math.max(ours.progress, ours.reached, Math.min(99, put.progress))
  return ended ? takeEnd(held, put) : takeQuestion(held, ours, theirs, put, isOnTop)
}

/**
 * Each write of ours has a name, which whoever changes the JSON carries along. The first has none, nor has what was only
 * shown: then the version has to do.
 */
const hadRead = (ours: RequestRecord, { write_id, version }: ForeignRecord): boolean =>
  ours.write_id === undefined ? version >= ours.version : write_id === ours.write_id || version > ours.version

function takeWords(held: RequestRecord, put: RequestRecord): void {
  if (put.step !== null) {
    held.step = put.step
    const at = Date.parse(held.updated_at)
    held.steps = partsAt(stepsAt(held.steps, put.step, at), put.steps, at)
  }
  if (put.current_message === null) return
  held.current_message = put.current_message
  held.message_key = put.message_key
  held.message_params = put.message_params
  held.message_seal = put.message_seal
}

function takeEnd(held: RequestRecord, put: RequestRecord): RequestRecord {
  const completed = put.status === 'completed'
  return {
    ...held,
    status: put.status,
    progress: completed ? 100 : held.progress,
    reached: completed ? 100 : held.progress,
    steps: completed ? allDone(held.steps, Date.parse(held.updated_at)) : held.steps,
    result_data: put.result_data,
    error_data: put.error_data,
    cancelled_by: put.cancelled_by,
    completed_at: put.completed_at,
    expires_at: put.expires_at,
    otp_data: null,
    next_retry_at: null,
  }
}

/** A question that we have not heard of is taken over; one that was answered meanwhile is not asked again. */
function takeQuestion(
  held: RequestRecord,
  ours: RequestRecord,
  theirs: ForeignRecord,
  put: RequestRecord,
  isOnTop: boolean,
): RequestRecord {
  const isAnother = !ours.otp_data || (theirs.otp_data !== null && put.otp_data?.id !== ours.otp_data.id)
  const asks = put.status === 'otp_required' && (isOnTop || (ours.status !== 'otp_required' && isAnother))
  if (asks && put.otp_data) {
    const otp_data = withinLimits(put.otp_data, ours.otp_limits)
    return { ...held, status: 'otp_required', otp_data, otp_limits: limitsOf(otp_data) }
  }
  if (put.status === 'processing' && (isOnTop || ours.status === 'pending'))
    return { ...held, status: 'processing', otp_data: put.otp_data ?? ours.otp_data }
  return held
}

/** What was shown, and what is never shown. */
function asRecord(view: PublicView, rest: RequestRecord): RequestRecord {
  const {
    estimated_remaining_time: _rest,
    requires_otp: _asks,
    is_completed: _completed,
    is_failed: _failed,
    is_cancelled: _cancelled,
    is_expired: _expired,
    queue_position: _position,
    otp_data: shown,
    ...fields
  } = view
  const otp_data = shown
    ? promptBehind(shown, view, rest)
    : rest.status === 'otp_required'
      ? null
      : rest.otp_data
  return { ...rest, ...fields, ...keyOf(view), reached: view.progress, otp_data, write_id: undefined }
}

function promptBehind(shown: OtpPrompt, { updated_at }: PublicView, rest: RequestRecord): StoredPrompt {
  const kept = rest.otp_data?.id === shown.id ? rest.otp_data : null
  return {
    requested_at: kept?.requested_at ?? updated_at,
    resends: kept?.resends ?? rest.otp_limits?.resends ?? 0,
    resend_requested: kept?.resend_requested ?? false,
    recall: kept?.recall ?? false,
    ...shown,
  }
}
