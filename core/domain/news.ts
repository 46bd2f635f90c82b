/** What of a request its submitter wants to be notified of: a question, and the end. */
import { isFinal, type Status } from './record.ts'

/** @returns a name for it, which each question and each end has of its own; empty while there is no news */
export function newsOf({
  status,
  otp_data: prompt,
}: {
  status: Status
  otp_data: { id: string } | null
}): string {
  if (isFinal(status)) return status
  return status === 'otp_required' ? (prompt?.id ?? '') : ''
}
