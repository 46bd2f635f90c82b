/** What a page says when there is nothing else to show. */
import type { AppError } from '../../core/errors.ts'
import { findService } from '../../core/services/index.ts'
import { isTextKey, type Texts } from '../../core/texts/index.ts'
import { durationWords } from '../../core/texts/wording.ts'
import { formLink } from './links.ts'

export interface ProblemModel {
  status: number
  title: string
  text: string | null
  retryAfter: string | null
  /** The form of the service this was about. */
  form: string | null
  /** The same address, where asking for it again can help. */
  again: string | null
}

/**
 * @param slug the service that was asked for, so that its form can be offered
 * @param address what was asked for
 */
export function problemModel(
  error: AppError,
  { t }: Texts,
  slug: string | null,
  address: string,
): ProblemModel {
  const text = `problem_text.${error.code}`
  const seconds = error.retryAfterSeconds
  const again = error.retryable ? address : null
  const form = slug && findService(slug) ? formLink(slug) : null
  return {
    status: error.status,
    title: t(`error.${error.code}`),
    text: isTextKey(text) ? t(text) : null,
    retryAfter: seconds ? t('problem.retry_after', { duration: durationWords(t, seconds) }) : null,
    form: form === again ? null : form,
    again,
  }
}
