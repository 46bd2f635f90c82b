/**
 * The page a browser gets when its request ends in an error; status and headers are the error handler's. A form that was
 * refused is shown again with what was typed, wherever the refusal came from: nobody should have to type it twice.
 *
 * Where it can be, that is done by a redirect: neither "Back" nor a reload sends the form again.
 */
import type { Request, Response } from 'express'
import { nanoid } from 'nanoid'
import { findService } from '../../core/catalog/index.ts'
import type { AppError, ErrorCode } from '../../core/domain/errors.ts'
import { pageContext } from '../middleware/locale.ts'
import type { Pages } from '../pages/index.ts'
import { formLink } from '../pages/links.ts'
import { parseFormBody, readForm } from './parse-form.ts'
import type { RefusedForms } from './refused-forms.ts'

export type RenderProblem = (req: Request, res: Response, error: AppError) => Promise<void>

export function createRenderProblem(pages: Pages, refusedForms: RefusedForms): RenderProblem {
  return async (req, res, error) => {
    // An error handler stands outside of every route: there are no parameters to ask.
    const [, slug = null, page] = /^\/services\/([^/]+)\/?(.*)$/.exec(req.path) ?? []
    res.set('X-Robots-Tag', 'noindex, nofollow')
    const isForm = req.method === 'POST' && slug !== null
    const service = isForm && !page ? findService(slug) : undefined
    if (service && (await tryReadForm(req, res, error))) {
      const { key, values } = parseFormBody(req)
      if (await refusedForms.redirect(req, res, error, formLink(service.slug), { key, values })) return
      res.send(pages.form(pageContext(req), service, { key: key ?? nanoid(), values, refusal: error }))
    } else {
      const target = service ? formLink(service.slug) : isForm && pageAfterForm(page ?? '', req.path)
      if (target && (await refusedForms.redirect(req, res, error, target))) return
      res.send(pages.problem(pageContext(req), error, slug))
    }
  }
}

/** Where it is shown what became of a form on the page of a request; null where there is no such form. */
function pageAfterForm(page: string, path: string): string | null {
  if (!/^(?:otp|resend-otp|cancel)\/[^/]+$/.test(page)) return null
  return path.replace('/resend-otp/', '/otp/')
}

/** Where the content itself was refused, there is nothing to show again. */
const UNREADABLE: ReadonlySet<ErrorCode> = new Set([
  'body_too_large',
  'unsupported_media_type',
  'invalid_parameter',
])

/** Reads the form now, where it was refused before it was read. */
async function tryReadForm(req: Request, res: Response, error: AppError): Promise<boolean> {
  if (UNREADABLE.has(error.code)) return false
  return new Promise((resolve) => readForm(req, res, (error?: unknown) => resolve(!error)))
}
