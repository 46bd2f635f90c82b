/**
 * When what stands in Redis is not what followed from what we wrote: another program put back what it had read before
 * (GET, then SETEX, with a write of ours in between), counts no versions, or a fail-over has lost the last writes. What
 * was written or shown once then stays true, and what the other has to report comes on top of it.
 */

import { toIso } from '../domain/iso-time.ts'
import { trustedMessageKey } from '../domain/message.ts'
import { limitsOf, withinLimits } from '../domain/otp-prompt.ts'
import {
  isFinal,
  isNewer,
  type OtpPrompt,
  type PublicView,
  type RequestRecord,
  type StatePosition,
  type StoredOtpPrompt,
} from '../domain/record.ts'
import type { TransitionContext } from '../domain/state-machine.ts'
import { applySubstepReports, completeAll, moveToStep } from '../domain/steps.ts'
import { type ForeignRecord, normalizeForeignRecord } from './foreign-record.ts'
import { unknownFields } from './unknown-fields.ts'

/** What is known of a request: the record, or only what was shown of it. */
export type KnownState = RequestRecord | PublicView

/** Null where nothing is known. */
type MayBeKnown = KnownState | null | undefined

/**
 * The newest of them; of two that are alike the one that comes first. Where that was only shown, the rest is taken from
 * the newest record, or from `present`; null when there is neither.
 */
export function latestKnown(known: MayBeKnown[], present: RequestRecord | null = null): RequestRecord | null {
  const newest = newestState(known)
  if (!newest || isRecord(newest)) return newest
  const record = newestState(known.filter((one) => !!one && isRecord(one))) ?? present
  return record && asRecord(newest, record as RequestRecord)
}

const newestState = (known: MayBeKnown[]): KnownState | null =>
  known.reduce<KnownState | null>((best, one) => (one && (!best || isNewer(one, best)) ? one : best), null)

/** Whether `next` cannot have followed from `known`: something would be taken back that was promised not to be. */
export const isRegression = (known: StatePosition, next: StatePosition): boolean =>
  next.version < known.version ||
  (next.version === known.version && !isSameWrite(known, next)) ||
  next.progress < known.progress ||
  next.attempt < known.attempt ||
  (isFinal(known.status) && !isFinal(next.status))

const isSameWrite = (a: StatePosition, b: StatePosition): boolean =>
  a.updated_at === b.updated_at && (!isRecord(a) || !isRecord(b) || a.revision === b.revision)

const isRecord = (known: StatePosition): known is RequestRecord => 'request_data' in known

/**
 * The next record when `theirs` stands where something `known` should. Final stays final. A writer that had read what we
 * know is believed whatever it changed; one that had not reports only what is not behind: progress, step, message, its
 * end.
 */
export function reconcile(
  known: MayBeKnown[],
  foreign: ForeignRecord,
  rules: TransitionContext,
): RequestRecord {
  const normalized = normalizeForeignRecord(foreign, rules)
  const own = latestKnown(known, normalized)
  if (!own) return normalized
  const isOnTop = isBasedOn(own, foreign)
  const unknown = unknownFields(normalized)
  const merged: RequestRecord = {
    ...(isOnTop ? { ...own, ...unknown } : { ...unknown, ...own }),
    version: Math.max(own.version, foreign.version) + 1,
    updated_at: toIso(Math.max(Date.parse(normalized.updated_at), Date.parse(own.updated_at))),
  }
  const isTakenOver = !isOnTop && foreign.attempt > 0 && foreign.attempt < own.attempt
  if (isFinal(own.status) || isTakenOver) return merged

  const ended = isFinal(normalized.status)
  if (ended || isOnTop || normalized.progress >= own.progress) mergeMessage(merged, normalized)
  merged.attempt = Math.max(own.attempt, normalized.attempt)
  merged.max_attempts = Math.max(own.max_attempts, normalized.max_attempts)
  merged.started_at ??= normalized.started_at
  merged.progress = merged.max_progress = Math.max(
    own.progress,
    own.max_progress,
    Math.min(99, normalized.progress),
  )
  return ended
    ? mergeFinalState(merged, normalized)
    : mergeOtpPrompt(merged, own, foreign, normalized, isOnTop)
}

/**
 * Each write of ours has a name, which whoever changes the JSON carries along. The first has none, nor has what was only
 * shown: then the version has to do.
 */
const isBasedOn = (own: RequestRecord, { revision, version }: ForeignRecord): boolean =>
  own.revision === undefined ? version >= own.version : revision === own.revision || version > own.version

function mergeMessage(merged: RequestRecord, normalized: RequestRecord): void {
  if (normalized.step !== null) {
    merged.step = normalized.step
    const at = Date.parse(merged.updated_at)
    merged.steps = applySubstepReports(moveToStep(merged.steps, normalized.step, at), normalized.steps, at)
  }
  if (normalized.current_message === null) return
  merged.current_message = normalized.current_message
  merged.message_key = normalized.message_key
  merged.message_params = normalized.message_params
  merged.message_fingerprint = normalized.message_fingerprint
}

function mergeFinalState(merged: RequestRecord, normalized: RequestRecord): RequestRecord {
  const completed = normalized.status === 'completed'
  return {
    ...merged,
    status: normalized.status,
    progress: completed ? 100 : merged.progress,
    max_progress: completed ? 100 : merged.progress,
    steps: completed ? completeAll(merged.steps, Date.parse(merged.updated_at)) : merged.steps,
    result_data: normalized.result_data,
    error_data: normalized.error_data,
    cancelled_by: normalized.cancelled_by,
    completed_at: normalized.completed_at,
    expires_at: normalized.expires_at,
    otp_data: null,
    next_retry_at: null,
  }
}

/** A question that we have not heard of is taken over; one that was answered meanwhile is not asked again. */
function mergeOtpPrompt(
  merged: RequestRecord,
  own: RequestRecord,
  foreign: ForeignRecord,
  normalized: RequestRecord,
  isOnTop: boolean,
): RequestRecord {
  const isAnother =
    !own.otp_data || (foreign.otp_data !== null && normalized.otp_data?.id !== own.otp_data.id)
  const asks =
    normalized.status === 'otp_required' && (isOnTop || (own.status !== 'otp_required' && isAnother))
  if (asks && normalized.otp_data) {
    const otp_data = withinLimits(normalized.otp_data, own.otp_limits)
    return { ...merged, status: 'otp_required', otp_data, otp_limits: limitsOf(otp_data) }
  }
  if (normalized.status === 'processing' && (isOnTop || own.status === 'pending'))
    return { ...merged, status: 'processing', otp_data: normalized.otp_data ?? own.otp_data }
  return merged
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
  return {
    ...rest,
    ...fields,
    ...trustedMessageKey(view),
    max_progress: view.progress,
    otp_data,
    revision: undefined,
  }
}

function promptBehind(shown: OtpPrompt, { updated_at }: PublicView, rest: RequestRecord): StoredOtpPrompt {
  const kept = rest.otp_data?.id === shown.id ? rest.otp_data : null
  return {
    requested_at: kept?.requested_at ?? updated_at,
    resends: kept?.resends ?? rest.otp_limits?.resends ?? 0,
    resend_requested: kept?.resend_requested ?? false,
    recall: kept?.recall ?? false,
    ...shown,
  }
}
