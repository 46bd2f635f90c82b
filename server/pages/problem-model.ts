/** The model of the error page. */

import type { AppError } from '../../core/domain/errors.ts'
import { isTextKey, type Texts } from '../../core/i18n/index.ts'
import { formatDuration } from '../../core/presentation/format-duration.ts'
import { formLink, withoutRefusal } from './links.ts'

export interface ProblemModel {
  title: string
  /** The name of the drawing in templates/drawing.eta. */
  drawing: string
  /** What to do now. */
  lines: string[]
  /** The form of the service in the address. */
  form: string | null
  /** The same address, when another try can help. */
  again: string | null
  /** The list of services, unless it is as far away. */
  services: { isOnlyWay: boolean } | null
}

const DRAWINGS: Readonly<Record<number, string>> = { 404: 'missing', 410: 'delete', 500: 'away', 503: 'away' }

/** What to do about an error, and when. */
export function adviceFor({ code, retryAfterSeconds: seconds }: AppError, t: Texts['t']): string[] {
  const text = `problem_text.${code}`
  return [
    ...(isTextKey(text) ? [t(text)] : []),
    ...(seconds ? [t('problem.retry_after', { duration: formatDuration(t, seconds) })] : []),
  ]
}

/**
 * @param slug the service in the address, whose form the page offers; null where there is none
 * @param address the called path and query
 */
export function problemModel(
  error: AppError,
  { t }: Texts,
  slug: string | null,
  address: string,
): ProblemModel {
  // What a page of another site may not send can be sent from the server's own page at the same address.
  const again = error.retryable || error.code === 'origin_not_allowed' ? withoutRefusal(address) : null
  // A new request would not show the result of another person.
  const form = slug && error.code !== 'link_revoked' ? formLink(slug) : null
  const isAway = error.status === 503 && again !== null
  return {
    title: t(`error.${error.code}`),
    drawing: error.code === 'link_revoked' ? 'unlinked' : (DRAWINGS[error.status] ?? 'failed'),
    lines: adviceFor(error, t),
    form: isAway || form === again ? null : form,
    again,
    services: isAway ? null : { isOnlyWay: !again && !form },
  }
}
