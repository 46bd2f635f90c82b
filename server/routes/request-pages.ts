/** The pages of one request, and what a person can do there: hand over a code, ask for another, cancel. */
import type { ErrorRequestHandler, Request, RequestHandler, Response, Router } from 'express'
import { normalizeDigits } from '../../core/domain/digits.ts'
import { AppError } from '../../core/domain/errors.ts'
import { isFinal, type PublicView } from '../../core/domain/record.ts'
import { createTexts } from '../../core/i18n/index.ts'
import { localeOf, pageContext } from '../middleware/locale.ts'
import { credentialsOf, requireOwner } from '../middleware/owner.ts'
import { codeProblem } from '../pages/code-problem.ts'
import { addressableSlug, currentPageLink, type RequestLinks, requestLinks } from '../pages/links.ts'
import type { PageDeps } from './page-deps.ts'
import { readForm } from './parse-form.ts'
import type { FoundRefusal } from './refused-forms.ts'

/** Nothing of a request stays in a cache or goes into a search engine. */
const setPrivateHeaders: RequestHandler = (_req, res, next) => {
  res.set({
    'Cache-Control': 'no-store',
    'X-Robots-Tag': 'noindex, nofollow',
  })
  next()
}

export function addRequestPages(
  router: Router,
  { pages, requests, failures, ownership, refusedForms, limitActions }: PageDeps,
): void {
  const mayRead = requireOwner(ownership, 'read')
  const mayAct = requireOwner(ownership, 'act')
  /** A courtesy: without it the page is still right. */
  const retriedAs = async (hash: string): Promise<string | null> =>
    (await failures.find(hash).catch(() => null))?.retried_as ?? null
  /** Shows the request on this page where `belongs` says so, else leads to where it is shown now. */
  const show =
    (
      page: keyof RequestLinks,
      belongs: (view: PublicView) => boolean,
      write: (req: Request, view: PublicView, toResponse: PageState) => string,
    ): RequestHandler =>
    async (req, res) => {
      const view = await requests.view(String(req.params.hash))
      if (!belongs(view)) return res.redirect(303, currentPageLink(view))
      if (req.params.slug !== addressableSlug(view)) return res.redirect(303, requestLinks(view)[page])
      const mayAct = await ownership.allows(view.hash, credentialsOf(req, res), 'act')
      const refused = await refusedForms.find(req)
      const isOfCode = refused?.prompt !== undefined && view.otp_data !== null
      if (refused?.error && !(mayAct && isOfCode)) throw refused.error
      // With another prompt, what was wrong with a code for the last one does not matter any more.
      const isOfPrompt = isOfCode && refused.prompt?.id === view.otp_data?.id
      if (isOfPrompt) refusedForms.setStatus(res, refused)
      const problem = isOfPrompt ? codeProblemFor(req, view, refused) : undefined
      res.send(
        write(req, view, { mayAct, problem, retriedAs: view.is_failed ? await retriedAs(view.hash) : null }),
      )
    }

  const isRunning = (view: PublicView) => !isFinal(view.status)
  const hash = (req: Request) => String(req.params.hash)

  router.use('/services/:slug/:page/:hash', setPrivateHeaders)

  router.get(
    '/services/:slug/progress/:hash',
    mayRead,
    show('progress', isRunning, (req, view, { mayAct }) => pages.request(pageContext(req), view, { mayAct })),
  )
  router.get(
    '/services/:slug/result/:hash',
    mayRead,
    show(
      'result',
      (view) => isFinal(view.status),
      (req, view, { mayAct, retriedAs }) => pages.request(pageContext(req), view, { mayAct, retriedAs }),
    ),
  )
  router.get(
    '/services/:slug/otp/:hash',
    mayRead,
    show(
      'otp',
      (view) => view.requires_otp,
      (req, view, { mayAct, problem }) =>
        pages.request(pageContext(req), view, {
          mayAct,
          problem,
          focus: true,
          resent: 'resent' in req.query,
        }),
    ),
  )
  router.get(
    '/services/:slug/cancel/:hash',
    mayAct,
    show('cancel', isRunning, (req, view) => pages.confirmCancel(pageContext(req), view)),
  )
  // Reached by "try again" where a resend was refused without a redirect.
  router.get(
    '/services/:slug/resend-otp/:hash',
    mayRead,
    show(
      'otp',
      () => false,
      () => '',
    ),
  )

  /** A refusal is told where the code is typed; where no code is waited for any more, the page of the state tells all. */
  const refused: ErrorRequestHandler = async (error, req, res, next) => {
    if (!(error instanceof AppError) || !SHOWN_ON_CODE_PAGE.has(error.code)) return next(error)
    // Who acts too often was stopped before it was asked who they are.
    if (!(await ownership.allows(hash(req), credentialsOf(req, res), 'act'))) return next(error)
    const view = await requests.view(hash(req))
    // Not expected then, and waited for again now: another tab was faster, and its code was wrong.
    if (!view.requires_otp || error.code === 'otp_not_expected')
      return res.redirect(303, currentPageLink(view))
    const prompt = { id: view.otp_data?.id ?? '', typed: maskCode(submittedCode(req)) }
    if (await refusedForms.redirect(req, res, error, requestLinks(view).otp, { prompt })) return
    const refused = { error, prompt }
    refusedForms.setStatus(res, refused)
    res.send(
      pages.request(pageContext(req), view, { problem: codeProblemFor(req, view, refused), focus: true }),
    )
  }

  router.post(
    '/services/:slug/otp/:hash',
    limitActions,
    mayAct,
    readForm,
    async (req: Request, res: Response) => {
      res.redirect(303, currentPageLink(await requests.submitOtp(hash(req), submittedCode(req))))
    },
    refused,
  )

  router.post(
    '/services/:slug/resend-otp/:hash',
    limitActions,
    mayAct,
    async (req: Request, res: Response) => {
      res.redirect(303, `${requestLinks(await requests.resendOtp(hash(req))).otp}?resent`)
    },
    refused,
  )

  router.post('/services/:slug/cancel/:hash', limitActions, mayAct, async (req: Request, res: Response) => {
    const view = await requests.cancel(hash(req)).catch((error) => {
      // Too late: how it ended before is told by its page.
      if (error instanceof AppError && error.code === 'already_final') return requests.view(hash(req))
      throw error
    })
    res.redirect(303, currentPageLink(view))
  })
}

/** What a page shows beside the request itself. */
interface PageState {
  mayAct: boolean
  /** What was wrong with a code. */
  problem: string | undefined
  retriedAs: string | null
}

function codeProblemFor(req: Request, view: PublicView, { error, prompt }: FoundRefusal): string | undefined {
  return error && codeProblem(createTexts(localeOf(req)).t, error, view.otp_data, prompt?.typed ?? '')
}

/** Enough to say what is wrong with the form of a code, and nothing of the code. */
const maskCode = (typed: string): string => {
  const code = normalizeDigits(typed)
  return /^\d*$/.test(code) ? '0'.repeat(Math.min(code.length, 100)) : 'x'
}

const submittedCode = (req: Request): string => (typeof req.body?.otp === 'string' ? req.body.otp : '')

const SHOWN_ON_CODE_PAGE: ReadonlySet<string> = new Set([
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
