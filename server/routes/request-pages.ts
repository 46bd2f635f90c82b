/** The pages of one request: progress, code, result with its images, and the questions whether to cancel and to delete. */
import type { Request, RequestHandler, Response, Router } from 'express'
import { findResultImage } from '../../core/catalog/result-image.ts'
import { AppError } from '../../core/domain/errors.ts'
import { isFinal, type PublicView } from '../../core/domain/record.ts'

import type { TimelineEntry } from '../../core/domain/timeline.ts'

import { REMOVED } from '../../core/store/failed-requests.ts'

import { isFirstVisit } from '../inline-style.ts'
import { pageContext } from '../middleware/locale.ts'
import { credentialsOf, requireOwner } from '../middleware/owner.ts'
import type { DeviceLink } from '../pages/device-model.ts'
import type { PageContext, SharedLink } from '../pages/index.ts'
import { addressableSlug, currentPageLink, type RequestLinks, requestLinks } from '../pages/links.ts'
import { findDeviceLink } from './code-links.ts'
import { codeProblemFor } from './code-refusal.ts'
import type { PageDeps } from './page-deps.ts'
import { findShared } from './share-forms.ts'

/** What a page shows besides the request itself. */
interface PageState {
  context: PageContext
  mayAct: boolean
  /** What was wrong with a code. */
  problem: string | undefined
  retriedAs: string | null
  timeline: TimelineEntry[]
  /** Whether others can open its address. */
  isShareable: boolean
  /** The link that opens the field of the code on another device. */
  device: DeviceLink | null
  /** Null when none was asked for. */
  shared: SharedLink | null
}

interface RequestPage {
  link: keyof RequestLinks
  /** Whether a request in this state has this page. */
  isShownFor: (view: PublicView) => boolean
  render: (req: Request, view: PublicView, state: PageState) => string
}

export function addRequestPages(router: Router, deps: PageDeps): void {
  const { pages, ownership } = deps
  const requireRead = requireOwner(ownership, 'read')
  const requireAct = requireOwner(ownership, 'act')
  const showPage = createShowPage(deps)

  router.get(
    '/services/:slug/progress/:hash',
    requireRead,
    showPage({
      link: 'progress',
      isShownFor: isRunning,
      render: (_req, view, { context, mayAct, timeline }) =>
        pages.request(context, view, { mayAct, timeline }),
    }),
  )
  router.get(
    '/services/:slug/result/:hash',
    requireRead,
    showPage({
      link: 'result',
      isShownFor: (view) => isFinal(view.status),
      render: (_req, view, { context, ...state }) => pages.request(context, view, state),
    }),
  )
  router.get(
    '/services/:slug/otp/:hash',
    requireRead,
    showPage({
      link: 'otp',
      isShownFor: (view) => view.requires_otp,
      render: (_req, view, { context, mayAct, problem, timeline, device }) =>
        pages.request(context, view, {
          mayAct,
          problem,
          timeline,
          focus: true,
          device,
        }),
    }),
  )
  router.get(
    '/services/:slug/cancel/:hash',
    requireAct,
    showPage({
      link: 'cancel',
      isShownFor: isRunning,
      render: (_req, view, { context }) => pages.confirmCancel(context, view),
    }),
  )
  router.get(
    '/services/:slug/delete/:hash',
    requireAct,
    showPage({
      link: 'delete',
      isShownFor: (view) => isFinal(view.status),
      render: (_req, view, { context }) => pages.confirmDelete(context, view),
    }),
  )
  addDownloads(router, deps)
  // The "try again" link of a form that was refused without a redirect leads here.
  router.get(
    ['resend-otp', 'device', 'keep', 'share', 'unshare'].map((page) => `/services/:slug/${page}/:hash`),
    requireRead,
    showPage({ link: 'progress', isShownFor: () => false, render: () => '' }),
  )
}

/** Images and files of results. */
function addDownloads(router: Router, { requests, ownership, files }: PageDeps): void {
  const requireRead = requireOwner(ownership, 'read')
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
    res.set('Content-Security-Policy', "default-src 'none'; sandbox")
    // Express would add a charset.
    res.attachment(file.name).setHeader('Content-Type', file.type).send(file.bytes)
  })
}

/** Shows the page to requests whose state has it; redirects others to the page of their state. */
function createShowPage(deps: PageDeps) {
  const { requests, failures, ownership, refusedForms, inlineStyle } = deps
  /** The styles within the page leave out the font, which only a page that changes can do without. */
  const contextOf = (req: Request, res: Response, { status }: PublicView): PageContext => {
    if (!isFirstVisit(req) || isFinal(status)) return pageContext(req)
    inlineStyle.allow(res)
    return { ...pageContext(req), css: inlineStyle.css }
  }
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
      const retry = view.is_failed ? await findRetry(view.hash) : null
      const retriedAs = retry === REMOVED ? null : retry
      // Optional as well.
      const timeline = await requests.timeline(view).catch(() => [])
      const isShareable = view.is_completed && (await ownership.allows(view.hash, NO_CREDENTIALS, 'read'))
      const device = mayAct ? await findDeviceLink(deps, req, view) : null
      const shared = mayAct ? await findShared(deps, req, view) : null
      const context = contextOf(req, res, view)
      const state = { context, mayAct, problem, retriedAs, timeline, isShareable, device, shared }
      res.send(render(req, view, state))
    }
}

/** Of a visitor who only knows the address. */
const NO_CREDENTIALS = { sessionId: null, userId: null, ownerToken: null }

const isRunning = (view: PublicView): boolean => !isFinal(view.status)
