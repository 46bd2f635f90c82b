/** The pages of one request: progress, code, result with its images, and the question whether to cancel. */
import type { Request, RequestHandler, Router } from 'express'
import { findResultImage } from '../../core/catalog/result-image.ts'
import { AppError } from '../../core/domain/errors.ts'
import { isFinal, type PublicView } from '../../core/domain/record.ts'
import { pageContext } from '../middleware/locale.ts'
import { credentialsOf, requireOwner } from '../middleware/owner.ts'
import { addressableSlug, currentPageLink, type RequestLinks, requestLinks } from '../pages/links.ts'
import { codeProblemFor } from './code-refusal.ts'
import type { PageDeps } from './page-deps.ts'

/** What a page shows besides the request itself. */
interface PageState {
  mayAct: boolean
  /** What was wrong with a code. */
  problem: string | undefined
  retriedAs: string | null
}

interface RequestPage {
  link: keyof RequestLinks
  /** Whether a request in this state has this page. */
  isShownFor: (view: PublicView) => boolean
  render: (req: Request, view: PublicView, state: PageState) => string
}

export function addRequestPages(router: Router, deps: PageDeps): void {
  const { pages, ownership, requests, files } = deps
  const requireRead = requireOwner(ownership, 'read')
  const requireAct = requireOwner(ownership, 'act')
  const showPage = createShowPage(deps)

  router.get(
    '/services/:slug/progress/:hash',
    requireRead,
    showPage({
      link: 'progress',
      isShownFor: isRunning,
      render: (req, view, { mayAct }) => pages.request(pageContext(req), view, { mayAct }),
    }),
  )
  router.get(
    '/services/:slug/result/:hash',
    requireRead,
    showPage({
      link: 'result',
      isShownFor: (view) => isFinal(view.status),
      render: (req, view, { mayAct, retriedAs }) =>
        pages.request(pageContext(req), view, { mayAct, retriedAs }),
    }),
  )
  router.get(
    '/services/:slug/otp/:hash',
    requireRead,
    showPage({
      link: 'otp',
      isShownFor: (view) => view.requires_otp,
      render: (req, view, { mayAct, problem }) =>
        pages.request(pageContext(req), view, {
          mayAct,
          problem,
          focus: true,
          resent: 'resent' in req.query,
        }),
    }),
  )
  router.get(
    '/services/:slug/cancel/:hash',
    requireAct,
    showPage({
      link: 'cancel',
      isShownFor: isRunning,
      render: (req, view) => pages.confirmCancel(pageContext(req), view),
    }),
  )
  // An address of its own, because the pages load no image from anywhere else, `data:` included.
  router.get('/services/:slug/result/:hash/images/*path', requireRead, async (req, res) => {
    const view = await requests.view(String(req.params.hash))
    const image = findResultImage(view.result_data, [req.params.path ?? []].flat())
    if (!image) throw new AppError('not_found')
    res.type(image.type).send(image.bytes)
  })
  // As a download, because it may be a document with script.
  router.get('/services/:slug/result/:hash/files/:id', requireRead, async (req, res) => {
    const hash = String(req.params.hash)
    const view = await requests.view(hash)
    const file = view.is_completed ? await files.find(hash, String(req.params.id)) : null
    if (!file) throw new AppError('not_found')
    // Express would add a charset.
    res.attachment(file.name).setHeader('Content-Type', file.type).send(file.bytes)
  })
  // The "try again" link of a resend that was refused without a redirect leads here.
  router.get(
    '/services/:slug/resend-otp/:hash',
    requireRead,
    showPage({ link: 'otp', isShownFor: () => false, render: () => '' }),
  )
}

/** Shows the page to requests whose state has it; redirects others to the page of their state. */
function createShowPage({ requests, failures, ownership, refusedForms }: PageDeps) {
  /** Optional: without it the page is still correct. */
  const findRetry = async (hash: string): Promise<string | null> =>
    (await failures.find(hash).catch(() => null))?.retried_as ?? null

  return ({ link, isShownFor, render }: RequestPage): RequestHandler =>
    async (req, res) => {
      const view = await requests.view(String(req.params.hash))
      if (!isShownFor(view)) return res.redirect(303, currentPageLink(view))
      if (req.params.slug !== addressableSlug(view)) return res.redirect(303, requestLinks(view)[link])
      const mayAct = await ownership.allows(view.hash, credentialsOf(req, res), 'act')
      const refused = await refusedForms.find(req)
      const isForCode = refused?.prompt !== undefined && view.otp_data !== null
      if (refused?.error && !(mayAct && isForCode)) throw refused.error
      // A problem with the code of an earlier prompt no longer matters.
      const isForPrompt = isForCode && refused.prompt?.id === view.otp_data?.id
      if (isForPrompt) refusedForms.setStatus(res, refused)
      const problem = isForPrompt ? codeProblemFor(req, view, refused) : undefined
      const retriedAs = view.is_failed ? await findRetry(view.hash) : null
      res.send(render(req, view, { mayAct, problem, retriedAs }))
    }
}

const isRunning = (view: PublicView): boolean => !isFinal(view.status)
