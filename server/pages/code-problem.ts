/** Why a code was refused, in words that say what to do next. */
import { normalizeDigits } from '../../core/domain/digits.ts'
import type { AppError } from '../../core/domain/errors.ts'
import type { OtpPrompt } from '../../core/domain/record.ts'
import type { Texts } from '../../core/i18n/index.ts'
import { formatCodeExpired, formatDuration } from '../../core/presentation/format-duration.ts'

/** @param typed the submitted code; never repeated on the page */
export function codeProblem(t: Texts['t'], error: AppError, prompt: OtpPrompt | null, typed: string): string {
  switch (error.code) {
    case 'invalid_otp':
      return invalidCodeProblem(t, prompt, normalizeDigits(typed))
    case 'otp_expired':
      return formatCodeExpired(t, prompt)
    case 'otp_attempts_exhausted':
      return t('code.error.none_left')
    case 'rate_limited':
      return t('code.error.rate_limited', { duration: formatDuration(t, error.retryAfterSeconds ?? 60) })
    case 'subject_limit_reached':
      return t('code.error.subject_limit', { duration: formatDuration(t, error.retryAfterSeconds ?? 60) })
    case 'resend_not_yet':
      return t('code.error.resend_not_yet', { seconds: error.retryAfterSeconds ?? 1 })
    case 'resend_exhausted':
      return t('code.error.resend_exhausted')
    default:
      return t(`error.${error.code}`)
  }
}

function invalidCodeProblem(t: Texts['t'], prompt: OtpPrompt | null, code: string): string {
  if (code === '') return t('code.error.missing')
  if (!/^\d+$/.test(code)) return t('code.error.not_digits')
  if (prompt?.length && prompt.length !== code.length) {
    return t('code.error.wrong_length', { length: prompt.length, typed: code.length })
  }
  return t('error.invalid_otp')
}

/** The problem in the prompt itself: a wrong code, no attempts left, or an expired code. */
export function promptProblem(t: Texts['t'], prompt: OtpPrompt, now: number): string | null {
  if (prompt.attempts_left <= 0) return t('code.error.none_left')
  if (now >= Date.parse(prompt.expires_at)) return formatCodeExpired(t, prompt)
  return prompt.error ? t('code.error.wrong', { left: prompt.attempts_left }) : null
}
