/**
 * The pages people use, all of them without script. Each address shows the request as it is now, or leads to the
 * address that fits its state.
 */
import { type Request, type RequestHandler, type Response, Router } from 'express'
import { nanoid } from 'nanoid'
import { AppError } from '../../core/errors.ts'
import type { PublicView } from '../../core/record.ts'
import { findService } from '../../core/services/index.ts'
import type { Service } from '../../core/services/service.ts'
import type { Locale } from '../../core/texts/index.ts'
import { callerOf } from '../middleware/caller.ts'
import type { Pages } from '../pages/index.ts'
import { fittingLink } from '../pages/links.ts'
import { createFormSubmit } from './form-submit.ts'
import { localeOf } from './locale.ts'
import { readForm } from './read-form.ts'
import { addRequestPages } from './request-pages.ts'

export interface PageDeps {
  pages: Pages
  /** @throws AppError `validation_failed` with `errors`, `unknown_service`, `storage_unavailable` */
  submit(input: {
    slug: string
    requestData: Record<string, unknown>
    idempotencyKey: string | null
    sessionId: string
    language: Locale
  }): Promise<{ view: PublicView }>
  /** @throws AppError `request_not_found`, `request_expired`, `storage_unavailable`, like all of the actions */
  readView(hash: string): Promise<PublicView>
  actions: {
    /** @throws AppError `already_final` */
    cancel(hash: string): Promise<PublicView>
    /** @throws AppError `otp_not_expected`, `already_final`, `invalid_otp`, `otp_expired`, `otp_attempts_exhausted` */
    submitOtp(hash: string, otp: string): Promise<PublicView>
    /** @throws AppError `otp_not_expected`, `already_final`, `resend_not_yet`, `resend_exhausted` */
    resendOtp(hash: string): Promise<PublicView>
  }
  /** Origin check and rate limit, in front of every POST. */
  formGuard: RequestHandler
}

export function createPageRoutes(deps: PageDeps): Router {
  const { pages, formGuard } = deps
  const router = Router()
  const submitForm = createFormSubmit(deps)

  router.get('/', (req, res) => {
    res.send(pages.services(localeOf(req)))
  })

  router.get('/services/:slug', (req, res) => {
    const service = serviceOf(req)
    // The page may be kept for "Back", with what was typed, but is asked for anew otherwise: it carries a fresh key.
    res.set('Cache-Control', 'private, no-cache')
    res.send(pages.form(localeOf(req), service, { key: nanoid(), values: {}, errors: [] }))
  })

  router.post('/services/:slug', formGuard, readForm, async (req, res) => {
    const service = serviceOf(req)
    const { key, values, requestData } = typedInto(req)
    try {
      const view = await submitForm({
        slug: service.slug,
        requestData,
        key,
        sessionId: sessionOf(res),
        language: localeOf(req),
      })
      res.redirect(303, fittingLink(view))
    } catch (error) {
      if (!(error instanceof AppError) || !error.errors) throw error
      res.status(error.status).set('Cache-Control', 'no-store')
      res.send(pages.form(localeOf(req), service, { key: key ?? nanoid(), values, errors: error.errors }))
    }
  })

  addRequestPages(router, deps)
  return router
}

function serviceOf(req: Request): Service {
  const service = findService(String(req.params.slug))
  if (!service) throw new AppError('unknown_service')
  return service
}

/** Set by the session middleware for everybody. */
const sessionOf = (res: Response): string => String(callerOf(res).sessionId)

/** The hidden key, and the fields as they were typed: both for the service and for showing them again. */
function typedInto(req: Request) {
  const { _key: key, ...requestData } = (req.body ?? {}) as Record<string, unknown>
  const values = Object.fromEntries(Object.entries(requestData).map(([name, value]) => [name, String(value)]))
  return { key: typeof key === 'string' && /^[\w-]{10,64}$/.test(key) ? key : null, values, requestData }
}
