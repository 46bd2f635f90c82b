/** Of a request that failed: who can do something about it now, the person or we. */
import { ERRORS } from '../../core/domain/errors.ts'
import type { RequestFailure } from '../../core/domain/record.ts'
import type { TextKey } from '../../core/i18n/en.ts'

export function failureAdvice({ code, retryable }: RequestFailure): TextKey {
  if (code === 'otp_expired' || code === 'otp_attempts_exhausted') return 'failed.turn.code'
  if (retryable) return 'failed.turn.retry'
  // A bot's own codes speak of what it was given, or found; ours of what went wrong around it.
  return Object.hasOwn(ERRORS, code) ? 'failed.turn.ours' : 'failed.turn.check'
}
