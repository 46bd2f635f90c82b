/**
 * The pages people use, all of them without script. Each address shows the request as it is now, or leads to the
 * address that fits its state.
 */
import { type Request, type RequestHandler, Router } from 'express'
import { nanoid } from 'nanoid'
import type { Service } from '../../core/catalog/define-service.ts'
import { findService } from '../../core/catalog/index.ts'
import { AppError } from '../../core/domain/errors.ts'
import { callerOf, keepsSessionCookie } from '../middleware/caller.ts'
import { pageContext } from '../middleware/locale.ts'
import { cookieMarkOf, currentPageLink, withCookieMark, withoutCookieMark } from '../pages/links.ts'
import { createFormSubmit } from './form-submit.ts'
import type { PageDeps } from './page-deps.ts'
import { parseFormBody, readForm } from './parse-form.ts'
import { addRequestForms } from './request-forms.ts'
import { addRequestPages } from './request-pages.ts'

export function createPageRoutes(deps: PageDeps): Router {
  const { pages, ownership, refusedForms, needsCookies, limitSubmits } = deps
  const router = Router()
  const submitForm = createFormSubmit(deps)

  const lacksCookies = (req: Request): boolean => needsCookies && !keepsSessionCookie(req)

  /**
   * Finds out whether the browser keeps cookies, before anything is typed: the first answer sets one and leads back to the
   * same address, marked. Where the cookie comes back, the mark is taken off again.
   * @returns where the browser is led to; null where the page can be shown
   */
  const cookieCheckRedirect = (req: Request): string | null => {
    if (!needsCookies) return null
    const mark = cookieMarkOf(req.originalUrl, Date.now())
    if (lacksCookies(req)) return mark === 'fresh' ? null : withCookieMark(req.originalUrl, Date.now())
    return mark === 'none' ? null : withoutCookieMark(req.originalUrl)
  }

  router.get('/', (req, res) => {
    // It comes with a session: a cache between must not hand that to others.
    res.set('Cache-Control', 'private, no-cache')
    res.send(pages.services(pageContext(req)))
  })

  router.get('/services/:slug', async (req, res) => {
    const service = requireService(req)
    const { again } = req.query
    const refused = await refusedForms.find(req)
    const cookieRedirect = refused ? null : cookieCheckRedirect(req)
    if (cookieRedirect !== null) return res.set('Cache-Control', 'no-store').redirect(303, cookieRedirect)
    // The page may be kept for "Back", with what was typed, but is asked for anew otherwise: it carries a fresh key.
    res.set('Cache-Control', again === undefined && !refused ? 'private, no-cache' : 'no-store')
    if (refused?.error && !refused.values) throw refused.error
    if (refused) res.set('X-Robots-Tag', 'noindex, nofollow')
    refusedForms.setStatus(res, refused)
    const values =
      refused?.values ??
      (await ownership.submittedValues(String(again), service.slug, callerOf(res).sessionId))
    res.send(
      pages.form(pageContext(req), service, {
        key: refused?.key ?? nanoid(),
        values: values ?? {},
        refusal: refused?.error ?? (lacksCookies(req) ? new AppError('cookies_required') : undefined),
      }),
    )
  })

  // What is refused, for whatever reason, is shown again by the border for errors (problem-page.ts).
  router.post('/services/:slug', limitSubmits, readForm, async (req, res) => {
    const service = requireService(req)
    if (lacksCookies(req)) throw new AppError('cookies_required')
    const { key, requestData } = parseFormBody(req)
    const view = await submitForm({ slug: service.slug, requestData, key, ...callerOf(res) })
    res.redirect(303, currentPageLink(view))
  })

  router.use('/services/:slug/:page/:hash', setPrivateHeaders)
  addRequestPages(router, deps)
  addRequestForms(router, deps)
  return router
}

/** Nothing of a request may stay in a cache or reach a search engine. */
const setPrivateHeaders: RequestHandler = (_req, res, next) => {
  res.set({
    'Cache-Control': 'no-store',
    'X-Robots-Tag': 'noindex, nofollow',
  })
  next()
}

function requireService(req: Request): Service {
  const service = findService(String(req.params.slug))
  if (!service) throw new AppError('unknown_service')
  return service
}
