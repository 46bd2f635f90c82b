/** Where and how the refusal of a code or another answer, or of a resend, is shown. */
import type { ErrorRequestHandler, Request } from 'express'
import { normalizeDigits } from '../../core/domain/digits.ts'
import { AppError } from '../../core/domain/errors.ts'
import type { PublicView } from '../../core/domain/record.ts'
import { createTexts } from '../../core/i18n/index.ts'
import { localeOf, pageContext } from '../middleware/locale.ts'
import { credentialsOf } from '../middleware/owner.ts'
import { codeProblem } from '../pages/code-problem.ts'
import { currentPageLink, requestLinks } from '../pages/links.ts'
import type { PageDeps } from './page-deps.ts'
import type { FoundRefusal } from './refused-forms.ts'

export const SHOWN_ON_CODE_PAGE: ReadonlySet<string> = new Set([
  'already_final',
  'otp_not_expected',
  'otp_expired',
  'invalid_otp',
  'otp_attempts_exhausted',
  'resend_not_offered',
  'resend_not_yet',
  'resend_exhausted',
  'subject_limit_reached',
  'rate_limited',
])

/** Shows the refusal at the code's field; when no code is awaited any more, redirects to the page of the state. */
export function createHandleCodeRefusal({
  pages,
  requests,
  ownership,
  refusedForms,
}: PageDeps): ErrorRequestHandler {
  return async (error, req, res, next) => {
    if (!(error instanceof AppError) || !SHOWN_ON_CODE_PAGE.has(error.code)) return next(error)
    const hash = String(req.params.hash)
    // The rate limit comes before the ownership check, so a rate-limited caller has not been checked yet.
    if (!(await ownership.allows(hash, credentialsOf(req, res), 'act'))) return next(error)
    const view = await requests.view(hash)
    // `otp_not_expected` and yet awaited again: another tab's code came first, and was wrong.
    if (!view.requires_otp || error.code === 'otp_not_expected')
      return res.redirect(303, currentPageLink(view))
    const prompt = { id: view.otp_data?.id ?? '', typed: maskAnswer(view, submittedCode(req)) }
    if (await refusedForms.redirect(req, res, error, requestLinks(view).otp, { prompt })) return
    const refused = { error, prompt }
    const problem = codeProblemFor(req, view, refused)
    const timeline = await requests.timeline(view).catch(() => [])
    refusedForms.setStatus(res, refused)
    res.send(pages.request(pageContext(req), view, { problem, timeline, focus: true }))
  }
}

export function codeProblemFor(
  req: Request,
  view: PublicView,
  { error, prompt }: FoundRefusal,
): string | undefined {
  return error && codeProblem(createTexts(localeOf(req)).t, error, view.otp_data, prompt?.typed ?? '')
}

export const submittedCode = (req: Request): string => (typeof req.body?.otp === 'string' ? req.body.otp : '')

/** Replaces the answer by text that has the same problem of form, so that the answer itself is stored nowhere. */
export function maskAnswer({ otp_data: prompt }: PublicView, typed: string): string {
  if (prompt && prompt.kind !== 'code')
    return typed
      .trim()
      .slice(0, 300)
      .replace(/\P{Cc}/gu, 'x')
  const code = normalizeDigits(typed)
  return /^\d*$/.test(code) ? '0'.repeat(Math.min(code.length, 100)) : 'x'
}
