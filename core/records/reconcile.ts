/**
 * Reconciles a record that another program overwrote with the last own write: what was promised stays, the other program's
 * report is applied on top. Needed when the program stored what it had read before an own write (GET, then SETEX), counts
 * no versions, or when a fail-over lost the last writes.
 */

import { toIso } from '../domain/iso-time.ts'
import { applyOtpLimits, toOtpLimits } from '../domain/otp-prompt.ts'
import { isFinal, isNewer, type RequestRecord, type StatePosition } from '../domain/record.ts'
import { withoutSealed } from '../domain/sealed-values.ts'
import type { TransitionContext } from '../domain/state-machine.ts'
import { applySubstepReports, completeAll, moveToStep } from '../domain/steps.ts'
import { type ForeignRecord, normalizeForeignRecord } from './foreign-record.ts'
import { unknownFields } from './unknown-fields.ts'

/** The newest of them by (`version`, `updated_at`); the first of equals. Null when there is none. */
export const latestKnown = (known: readonly (RequestRecord | null | undefined)[]): RequestRecord | null =>
  known.reduce<RequestRecord | null>((best, one) => (one && (!best || isNewer(one, best)) ? one : best), null)

/**
 * The next record when a foreign or outdated one is stored where `own` should be. Final stays final. A writer that had read
 * `own` may change anything; one that had not only reports what is not behind: progress, step, message, its end.
 *
 * @param own the last own write; null when none is known
 * @param atLeast the position a client was already shown: version, attempt and progress continue from there
 */
export function reconcile(
  own: RequestRecord | null,
  foreign: ForeignRecord,
  context: TransitionContext,
  atLeast: StatePosition | null = null,
): RequestRecord {
  const normalized = normalizeForeignRecord(foreign, context)
  const next = own ? mergeForeign(own, foreign, normalized) : normalized
  return atLeast ? continueFrom(atLeast, next) : next
}

function continueFrom(shown: StatePosition, next: RequestRecord): RequestRecord {
  const progress = Math.max(next.progress, Math.min(99, shown.progress))
  return {
    ...next,
    version: Math.max(next.version, shown.version + 1),
    attempt: Math.max(next.attempt, shown.attempt),
    progress,
    max_progress: Math.max(next.max_progress, progress),
  }
}

function mergeForeign(own: RequestRecord, foreign: ForeignRecord, normalized: RequestRecord): RequestRecord {
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
 * Whether the other program had read `own`: it carries the revision along, whatever it changes. The first record has no
 * revision, then the version decides.
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
    cancel_reason: normalized.cancel_reason,
    completed_at: normalized.completed_at,
    expires_at: normalized.expires_at,
    otp_data: null,
    next_retry_at: null,
    request_data: withoutSealed(merged.request_data),
  }
}

/** A new prompt is taken over; one that was answered meanwhile does not come back. */
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
    const otp_data = applyOtpLimits(normalized.otp_data, own.otp_limits)
    return {
      ...merged,
      status: 'otp_required',
      otp_data,
      otp_limits: toOtpLimits(otp_data) ?? own.otp_limits,
    }
  }
  if (normalized.status === 'processing' && (isOnTop || own.status === 'pending'))
    return { ...merged, status: 'processing', otp_data: normalized.otp_data ?? own.otp_data }
  return merged
}
