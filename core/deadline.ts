/** When a request is over by itself, and when its turn comes: the rules of its clocks, apart from the life of its record. */
import type { RequestRecord, StoredPrompt } from './record.ts'

/** After a code's own deadline another one can be asked for; after this nobody is expected any more. */
const OTP_GRACE_MS = 300_000

/** When nobody is expected to answer a prompt any more, milliseconds. */
export const promptClosesAt = ({ expires_at }: Pick<StoredPrompt, 'expires_at'>): number =>
  Date.parse(expires_at) + OTP_GRACE_MS

/** When a request fails if nothing happens before, milliseconds; null while nothing presses. */
export function dueAt({ status, deadline_at, otp_data }: RequestRecord): number | null {
  if (status === 'otp_required') return otp_data && promptClosesAt(otp_data)
  return status === 'processing' && deadline_at ? Date.parse(deadline_at) : null
}

/**
 * Until when a worker has nothing to do for a request, milliseconds: it or its next attempt is not due, or its bot let
 * go until the person has typed the code. Null when it is somebody's turn now.
 */
export function waitsUntil({ status, run_at, next_retry_at, otp_data }: RequestRecord): number | null {
  if (status === 'pending') return run_at ? Date.parse(run_at) : null
  if (status === 'otp_required')
    return otp_data?.recall && !otp_data.resend_requested ? promptClosesAt(otp_data) : null
  return status === 'processing' && next_retry_at ? Date.parse(next_retry_at) : null
}
