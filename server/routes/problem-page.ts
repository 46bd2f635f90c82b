/**
 * The page for a browser's call that ends in an error; the error handler sets status and headers. A refused form is shown
 * again with its values, whichever middleware refused it.
 *
 * Where possible a redirect shows it, so that neither "Back" nor a reload sends the form again.
 */
import type { Request, Response } from 'express'
import { nanoid } from 'nanoid'
import type { Catalog } from '../../core/catalog/catalog.ts'
import type { AppError, ErrorCode } from '../../core/domain/errors.ts'
import { pageContext } from '../middleware/locale.ts'
import type { Pages } from '../pages/index.ts'
import { formLink } from '../pages/links.ts'
import { parseFormBody, readForm } from './parse-form.ts'
import type { RefusedForms } from './refused-forms.ts'

export type RenderProblem = (req: Request, res: Response, error: AppError) => Promise<void>

export function createRenderProblem({
  catalog,
  pages,
  refusedForms,
}: {
  catalog: Pick<Catalog, 'find'>
  pages: Pages
  refusedForms: RefusedForms
}): RenderProblem {
  return async (req, res, error) => {
    // An error handler belongs to no route, so there is no `req.params`.
    const [, slug = null, page] = /^\/services\/([^/]+)\/?(.*)$/.exec(req.path) ?? []
    res.set('X-Robots-Tag', 'noindex, nofollow')
    const isForm = req.method === 'POST' && slug !== null
    const service = isForm && !page ? catalog.find(slug) : undefined
    if (service && (await tryReadForm(req, res, error))) {
      const { key, values } = parseFormBody(req, service)
      if (await refusedForms.redirect(req, res, error, formLink(service.slug), { key, values })) return
      res.send(pages.form(pageContext(req), service, { key: key ?? nanoid(), values, refusal: error }))
    } else {
      const target = service ? formLink(service.slug) : isForm && pageAfterForm(page ?? '', req.path)
      if (target && (await refusedForms.redirect(req, res, error, target))) return
      res.send(pages.problem(pageContext(req), error, slug))
    }
  }
}

/** The page that shows the outcome of a form of a request page; null when the path is no such form. */
function pageAfterForm(page: string, path: string): string | null {
  if (!/^(?:otp|resend-otp|device|cancel|keep|delete)\/[^/]+$/.test(page)) return null
  return path.replace(/\/(?:resend-otp|device)\//, '/otp/').replace('/keep/', '/result/')
}

/** Errors of the body itself: there are no values to show again. */
const UNREADABLE: ReadonlySet<ErrorCode> = new Set([
  'body_too_large',
  'unsupported_media_type',
  'invalid_parameter',
])

/** Reads the form, if the error came before it was read. @returns whether its values are available: not where it was too large */
async function tryReadForm(req: Request, res: Response, error: AppError): Promise<boolean> {
  if (UNREADABLE.has(error.code)) return false
  return new Promise((resolve) =>
    readForm(req, res, (error?: unknown) => resolve(!error && req.body !== undefined)),
  )
}
