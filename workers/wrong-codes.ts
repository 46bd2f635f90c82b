/** Writes wrong codes to the audit log. A worker watches each request whose bot it calls, however that bot reports. */
import type { PublicView, RequestRecord } from '../core/domain/record.ts'
import { shortReference } from '../core/domain/short-reference.ts'
import type { AuditLog } from '../core/store/audit-log.ts'

const SUBJECT_LENGTH = 8

/** @returns what is called with each state of the request; the first one is where it begins */
export function watchWrongCodes(
  { hash, service_slug: service, subject }: RequestRecord,
  audit: Pick<AuditLog, 'add'> | undefined,
): (view: PublicView) => void {
  let before: PublicView | undefined
  return (view) => {
    // What this worker has written arrives by the channel, too.
    if (before && view.version <= before.version) return
    const reason = before && refusedSince(before, view)
    before = view
    if (!reason || !audit) return
    const person = subject?.slice(0, SUBJECT_LENGTH)
    const request = shortReference(hash)
    void audit.add({
      action: 'code',
      outcome: 'refused',
      reason,
      request,
      service,
      ...(person && { subject: person }),
    })
  }
}

/** A bot asks for the code again, with one try less, or no try is left. */
function refusedSince(before: PublicView, { otp_data, error_data }: PublicView): string | null {
  if (error_data?.code === 'otp_attempts_exhausted') return error_data.code
  const isAskedAgain = otp_data?.error?.code === 'otp_rejected'
  const isNew = otp_data?.attempts_left !== before.otp_data?.attempts_left
  return isAskedAgain && isNew ? 'otp_rejected' : null
}
