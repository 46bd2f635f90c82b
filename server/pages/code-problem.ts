/** Why an answer was refused, in words that say what to do next. */
import { answerFault, maxAnswerLength } from '../../core/domain/answer.ts'
import { normalizeDigits } from '../../core/domain/digits.ts'
import type { AppError } from '../../core/domain/errors.ts'
import type { OtpPrompt } from '../../core/domain/record.ts'
import type { Texts } from '../../core/i18n/index.ts'
import { formatCodeExpired, formatDuration } from '../../core/presentation/format-duration.ts'

/** @param typed the submitted answer; never repeated on the page */
export function codeProblem(t: Texts['t'], error: AppError, prompt: OtpPrompt | null, typed: string): string {
  switch (error.code) {
    case 'invalid_otp':
      return !prompt || prompt.kind === 'code'
        ? invalidCodeProblem(t, prompt, normalizeDigits(typed))
        : invalidAnswerProblem(t, prompt, typed)
    case 'otp_expired':
      return formatCodeExpired(t, prompt)
    case 'otp_attempts_exhausted':
      return noneLeft(t, prompt)
    case 'rate_limited':
      return t('code.error.rate_limited', { duration: formatDuration(t, error.retryAfterSeconds ?? 60) })
    case 'subject_limit_reached':
      return t('code.error.subject_limit', { duration: formatDuration(t, error.retryAfterSeconds ?? 60) })
    case 'resend_not_yet': {
      const seconds = error.retryAfterSeconds ?? 1
      if (!prompt || prompt.kind === 'code') return t('code.error.resend_not_yet', { seconds })
      return t(prompt.kind === 'image' ? 'question.resend_wait.image' : 'question.resend_wait.text', {
        seconds,
      })
    }
    case 'resend_exhausted':
      if (!prompt || prompt.kind === 'code') return t('code.error.resend_exhausted')
      return t(`question.error.resend_exhausted.${prompt.kind === 'image' ? 'image' : 'text'}`)
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

function invalidAnswerProblem(t: Texts['t'], prompt: OtpPrompt, typed: string): string {
  const fault = answerFault(prompt, typed)
  if (fault === 'too_long') return t('question.error.too_long', { max: maxAnswerLength(prompt) })
  if (fault === 'control_characters') return t('question.error.control_characters')
  if (prompt.kind === 'code') return t('code.error.missing')
  if (prompt.kind === 'image') return t('question.title.image')
  return t(`question.error.missing.${prompt.kind}`)
}

const noneLeft = (t: Texts['t'], prompt: OtpPrompt | null): string =>
  t(!prompt || prompt.kind === 'code' ? 'code.error.none_left' : 'question.error.none_left')

/** The problem in the prompt itself: a wrong answer, or no attempts left. */
export function promptProblem(t: Texts['t'], prompt: OtpPrompt): string | null {
  const left = prompt.attempts_left
  if (left <= 0) return noneLeft(t, prompt)
  if (!prompt.error) return null
  return t(prompt.kind === 'code' ? 'code.error.wrong' : 'question.error.wrong', { left })
}
