/**
 * The pages people use, all of them without script. Each address shows the request as it is now, or leads to the
 * address that fits its state.
 */
import { type Request, type RequestHandler, Router } from 'express'
import { nanoid } from 'nanoid'
import { AppError } from '../../core/errors.ts'
import { findService } from '../../core/services/index.ts'
import type { Service } from '../../core/services/service.ts'
import { callerOf } from '../middleware/caller.ts'
import { readerOf } from '../middleware/locale.ts'
import type { Ownership } from '../ownership.ts'
import type { Pages } from '../pages/index.ts'
import { fittingLink } from '../pages/links.ts'
import type { Requests } from '../requests.ts'
import type { Submit } from '../submit.ts'
import { createFormSubmit } from './form-submit.ts'
import { readForm } from './read-form.ts'
import { addRequestPages } from './request-pages.ts'

export interface PageDeps {
  pages: Pages
  submit: Submit
  requests: Requests
  ownership: Ownership
  /** In front of the form. */
  limitSubmits: RequestHandler
  /** In front of what is done with a request: code, resend, cancel. */
  limitActions: RequestHandler
}

export function createPageRoutes(deps: PageDeps): Router {
  const { pages, limitSubmits } = deps
  const router = Router()
  const submitForm = createFormSubmit(deps)

  router.get('/', (req, res) => {
    // It comes with a session: a cache between must not hand that to others.
    res.set('Cache-Control', 'private, no-cache')
    res.send(pages.services(readerOf(req)))
  })

  router.get('/services/:slug', (req, res) => {
    const service = serviceOf(req)
    // The page may be kept for "Back", with what was typed, but is asked for anew otherwise: it carries a fresh key.
    res.set('Cache-Control', 'private, no-cache')
    res.send(pages.form(readerOf(req), service, { key: nanoid(), values: {}, errors: [] }))
  })

  router.post('/services/:slug', limitSubmits, readForm, async (req, res) => {
    const service = serviceOf(req)
    const { key, values, requestData } = typedInto(req)
    try {
      const view = await submitForm({
        slug: service.slug,
        requestData,
        key,
        ...callerOf(res),
      })
      res.redirect(303, fittingLink(view))
    } catch (error) {
      if (!(error instanceof AppError) || !error.errors) throw error
      res.status(error.status).set('Cache-Control', 'no-store')
      res.send(pages.form(readerOf(req), service, { key: key ?? nanoid(), values, errors: error.errors }))
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

/** The hidden key, and the fields as they were typed: both for the service and for showing them again. */
function typedInto(req: Request) {
  const { _key: key, ...requestData } = (req.body ?? {}) as Record<string, unknown>
  const values = Object.fromEntries(Object.entries(requestData).map(([name, value]) => [name, String(value)]))
  return { key: typeof key === 'string' && /^[\w-]{10,64}$/.test(key) ? key : null, values, requestData }
}
