/** When a request is over by itself, and when its turn comes: the rules of its clocks, apart from the life of its record. */
import { toIso } from './iso-time.ts'
import type { RequestRecord, StoredOtpPrompt } from './record.ts'

/** After a code's own deadline another one can be asked for; after this nobody is expected any more. */
const OTP_GRACE_MS = 300_000

/** When nobody is expected to answer a prompt any more, milliseconds. */
export const otpWaitEndsAt = ({ expires_at }: Pick<StoredOtpPrompt, 'expires_at'>): number =>
  Date.parse(expires_at) + OTP_GRACE_MS

/** When a request fails if nothing happens before, milliseconds; null while nothing presses. */
export function timesOutAt({ status, deadline_at, otp_data }: RequestRecord): number | null {
  if (status === 'otp_required') return otp_data && otpWaitEndsAt(otp_data)
  return status === 'processing' && deadline_at ? Date.parse(deadline_at) : null
}

/**
 * Until when a worker has nothing to do for a request, milliseconds: it or its next attempt is not due, or its bot let
 * go until the person has typed the code. Null when it is somebody's turn now.
 */
export function nextRunAt({ status, run_at, next_retry_at, otp_data }: RequestRecord): number | null {
  if (status === 'pending') return run_at ? Date.parse(run_at) : null
  if (status === 'otp_required')
    return otp_data?.recall && !otp_data.resend_requested ? otpWaitEndsAt(otp_data) : null
  return status === 'processing' && next_retry_at ? Date.parse(next_retry_at) : null
}

/** The clocks stood still while a person was being waited for: move their ends by as long. */
export function resumeClocks(next: RequestRecord, before: RequestRecord, at: number): void {
  if (!before.otp_data) return
  const waitedMs = at - Date.parse(before.otp_data.requested_at)
  const later = (end: string | null): string | null => end && toIso(Date.parse(end) + waitedMs)
  next.estimated_end_at = later(before.estimated_end_at)
  next.deadline_at = later(before.deadline_at)
}

/** The rest takes at most its share of the usual duration; what was promised before never gets longer. */
export function shortenEstimate(next: RequestRecord, at: number): void {
  const rest = at + (next.estimated_duration * 1000 * (100 - next.progress)) / 100
  next.estimated_end_at = toIso(
    next.estimated_end_at ? Math.min(Date.parse(next.estimated_end_at), rest) : rest,
  )
}
