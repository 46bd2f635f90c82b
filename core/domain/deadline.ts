/** Timeouts and next run of a request, computed from its record. The expiry of the record itself is not part of this. */
import { toIso } from './iso-time.ts'
import type { RequestRecord, StoredOtpPrompt } from './record.ts'

/** How long after its code has expired a prompt stays open for a resend. */
const OTP_GRACE_MS = 300_000

/** When an unanswered prompt times out, milliseconds. */
export const otpWaitEndsAt = ({ expires_at }: Pick<StoredOtpPrompt, 'expires_at'>): number =>
  Date.parse(expires_at) + OTP_GRACE_MS

/** When the request fails unless its state changes first, milliseconds; null without a limit. */
export function timesOutAt({ status, deadline_at, otp_data }: RequestRecord): number | null {
  if (status === 'otp_required') return otp_data && otpWaitEndsAt(otp_data)
  return status === 'processing' && deadline_at ? Date.parse(deadline_at) : null
}

/**
 * Until when a worker has nothing to do for a request, milliseconds: its start or its next attempt is not due, or its bot
 * ended the call and is called again with the code. Null when a worker can proceed now.
 */
export function nextRunAt({ status, run_at, next_retry_at, otp_data }: RequestRecord): number | null {
  if (status === 'pending') return run_at ? Date.parse(run_at) : null
  if (status === 'otp_required')
    return otp_data?.recall && !otp_data.resend_requested ? otpWaitEndsAt(otp_data) : null
  return status === 'processing' && next_retry_at ? Date.parse(next_retry_at) : null
}

/** Extends deadline and estimate by the time spent waiting for the code, which request and current step keep. */
export function extendDeadlines(next: RequestRecord, before: RequestRecord, at: number): void {
  if (!before.otp_data) return
  const waitedMs = at - Date.parse(before.otp_data.requested_at)
  const later = <End extends string | null | undefined>(end: End): End | string =>
    end && toIso(Date.parse(end) + waitedMs)
  next.estimated_end_at = later(before.estimated_end_at)
  next.earliest_end_at = later(before.earliest_end_at)
  next.deadline_at = later(before.deadline_at)
  next.waited_ms = (before.waited_ms ?? 0) + waitedMs
  next.steps = next.steps.map((step) =>
    step.state === 'current' && step.of === undefined
      ? { ...step, waited_ms: (step.waited_ms ?? 0) + waitedMs }
      : step,
  )
}

/** How much longer a request that has ended may be kept, counted from when that is asked for. */
export const KEEP_MS = 24 * 3_600_000

/** Limits up to this fit into the life of a record. */
const SHORT_LIMIT_MS = 300_000
/** A request is failed at its deadline within this time, if any process is alive. */
const DEADLINE_MARGIN_MS = 120_000

/** Whether the work may take longer than the default life of a record leaves room for. */
export const hasLongLimit = ({ started_at, deadline_at }: RequestRecord): boolean =>
  started_at !== null &&
  deadline_at !== null &&
  Date.parse(deadline_at) - Date.parse(started_at) > SHORT_LIMIT_MS

/** The record expires after the deadline, at which the request fails. */
export function outliveDeadline(next: RequestRecord): void {
  const until = Date.parse(next.deadline_at ?? '') + DEADLINE_MARGIN_MS
  if (until > Date.parse(next.expires_at)) next.expires_at = toIso(until)
}
