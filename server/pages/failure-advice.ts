/** What to do about a failed request: correct the data, get another code, try again, or wait for the operator. */
import { ERRORS } from '../../core/domain/errors.ts'
import type { PublicFailure } from '../../core/domain/request-failure.ts'
import type { TextKey } from '../../core/i18n/en.ts'

export function failureAdvice({ code, retryable }: PublicFailure): TextKey {
  if (code === 'otp_expired' || code === 'otp_attempts_exhausted') return 'failed.turn.code'
  if (retryable) return 'failed.turn.retry'
  // A bot's own error codes concern the submitted data; the codes in ERRORS concern the system.
  return Object.hasOwn(ERRORS, code) ? 'failed.turn.ours' : 'failed.turn.check'
}
