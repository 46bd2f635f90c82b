/**
 * The pages, which all work without script. Each address of a request shows its current state, or redirects to the page of
 * that state.
 */
import { type Request, type RequestHandler, type Response, Router } from 'express'
import { nanoid } from 'nanoid'
import type { Service } from '../../core/catalog/service-definition.ts'
import { AppError } from '../../core/domain/errors.ts'
import { callerOf, keepsSessionCookie } from '../middleware/caller.ts'
import { pageContext } from '../middleware/locale.ts'
import { credentialsOf } from '../middleware/owner.ts'
import { requireSubmitter } from '../middleware/submitter.ts'
import { cookieMarkOf, currentPageLink, withCookieMark, withoutCookieMark } from '../pages/links.ts'
import { writeCalendarDates } from '../pages/reader-calendar.ts'
import { createCodeLinkRoutes } from './code-links.ts'
import { createFormSubmit } from './form-submit.ts'
import type { PageDeps } from './page-deps.ts'
import { parseFormBody, readForm } from './parse-form.ts'
import { addRequestForms } from './request-forms.ts'
import { addRequestPages } from './request-pages.ts'
import { addShareForms } from './share-forms.ts'

export function createPageRoutes(deps: PageDeps): Router {
  const { catalog, pages, queues, ownRequests, refusedForms, needsCookies, limitSubmits } = deps
  const router = Router()
  const submitForm = createFormSubmit(deps)

  function requireService(req: Request): Service {
    const service = catalog.find(String(req.params.slug))
    if (!service) throw new AppError('unknown_service')
    return service
  }

  /** The form is shown without it while Redis is away. */
  const countWaiting = ({ queue }: Service): Promise<number> => queues.waiting(queue).catch(() => 0)

  const lacksCookies = (req: Request): boolean => needsCookies && !keepsSessionCookie(req)
  const maySubmit = (req: Request, res: Response): boolean => deps.signIn.maySubmit(req, callerOf(res).user)

  /**
   * Checks whether the browser accepts cookies before the user types anything: the first response sets a cookie and redirects
   * to the same address with a mark. When the cookie comes back, another redirect removes the mark.
   * @returns the address to redirect to; null when the page can be shown
   */
  const cookieCheckRedirect = (req: Request): string | null => {
    if (!needsCookies) return null
    const mark = cookieMarkOf(req.originalUrl, Date.now())
    if (lacksCookies(req)) return mark === 'fresh' ? null : withCookieMark(req.originalUrl, Date.now())
    return mark === 'none' ? null : withoutCookieMark(req.originalUrl)
  }

  router.get('/', async (req, res) => {
    // The response sets a session cookie, which a shared cache must not serve to others.
    const { sessionId, user } = callerOf(res)
    // A session that this response starts has no requests.
    const own =
      sessionId !== null && keepsSessionCookie(req) ? await ownRequests.list(sessionId, user?.id ?? null) : []
    res.set('Cache-Control', own.length > 0 ? 'no-store' : 'private, no-cache')
    res.send(pages.services(pageContext(req), own))
  })

  router.get('/services/:slug', async (req, res) => {
    const service = requireService(req)
    const { again } = req.query
    const refused = await refusedForms.find(req)
    const cookieRedirect = refused ? null : cookieCheckRedirect(req)
    if (cookieRedirect !== null) return res.set('Cache-Control', 'no-store').redirect(303, cookieRedirect)
    // "Back" may show the cached page with the typed values; every other visit needs a fresh key.
    res.set('Cache-Control', again === undefined && !refused ? 'private, no-cache' : 'no-store')
    if (refused?.error && !refused.values) throw refused.error
    if (refused) res.set('X-Robots-Tag', 'noindex, nofollow')
    refusedForms.setStatus(res, refused)
    const values = refused?.values ?? (await submittedBefore(deps, service, req, res))
    res.send(
      pages.form(pageContext(req), service, {
        key: refused?.key ?? nanoid(),
        values,
        refusal: refused?.error ?? findObstacle(maySubmit(req, res), lacksCookies(req)),
        waiting: await countWaiting(service),
      }),
    )
  })

  // A refused form is shown again by the error handler (problem-page.ts).
  router.post('/services/:slug', limitSubmits, requireSubmitter(deps.signIn), readForm, async (req, res) => {
    const service = requireService(req)
    if (lacksCookies(req)) throw new AppError('cookies_required')
    const { key, requestData } = parseFormBody(req, service)
    const view = await submitForm({ slug: service.slug, requestData, key, ...callerOf(res) })
    res.redirect(303, currentPageLink(view))
  })

  router.use('/services/:slug/:page/:hash', setPrivateHeaders)
  addRequestPages(router, deps)
  addRequestForms(router, deps)
  addShareForms(router, deps)
  router.use('/c', createCodeLinkRoutes(deps))
  return router
}

/** The values of the request that is tried again, for its submitter. */
async function submittedBefore(
  { ownership }: PageDeps,
  { slug, fields }: Service,
  req: Request,
  res: Response,
) {
  const values = await ownership.submittedValues(String(req.query.again), slug, credentialsOf(req, res))
  return writeCalendarDates(pageContext(req).locale, fields, values)
}

/** Why a form could not be sent. */
function findObstacle(maySubmit: boolean, lacksCookies: boolean): AppError | undefined {
  if (!maySubmit) return new AppError('not_signed_in')
  return lacksCookies ? new AppError('cookies_required') : undefined
}

/** Nothing of a request may stay in a cache or reach a search engine. */
const setPrivateHeaders: RequestHandler = (_req, res, next) => {
  res.set({
    'Cache-Control': 'no-store',
    'X-Robots-Tag': 'noindex, nofollow',
  })
  next()
}
