/**
 * The page a browser gets when its request ends in an error; status and headers are the error handler's. A form that was
 * refused is shown again with what was typed, wherever the refusal came from: nobody should have to type it twice.
 */
import type { Request, Response } from 'express'
import { nanoid } from 'nanoid'
import type { AppError, ErrorCode } from '../../core/errors.ts'
import { findService } from '../../core/services/index.ts'
import { readerOf } from '../middleware/locale.ts'
import type { Pages } from '../pages/index.ts'
import { readForm, typedInto } from './read-form.ts'

export type RenderProblem = (req: Request, res: Response, error: AppError) => Promise<void>

export function createRenderProblem(pages: Pages): RenderProblem {
  return async (req, res, error) => {
    // An error handler stands outside of every route: there are no parameters to ask.
    const [, slug = null, page] = /^\/services\/([^/]+)\/?(.*)$/.exec(req.path) ?? []
    res.set('X-Robots-Tag', 'noindex, nofollow')
    const service = req.method === 'POST' && slug && !page ? findService(slug) : undefined
    if (service && (await isReadable(req, res, error))) {
      const { key, values } = typedInto(req)
      res.send(pages.form(readerOf(req), service, { key: key ?? nanoid(), values, refusal: error }))
    } else {
      res.send(pages.problem(readerOf(req), error, slug))
    }
  }
}

/** Where the content itself was refused, there is nothing to show again. */
const UNREADABLE: ReadonlySet<ErrorCode> = new Set([
  'body_too_large',
  'unsupported_media_type',
  'invalid_parameter',
])

/** Reads the form now, where it was refused before it was read. */
async function isReadable(req: Request, res: Response, error: AppError): Promise<boolean> {
  if (UNREADABLE.has(error.code)) return false
  return new Promise((resolve) => readForm(req, res, (unread?: unknown) => resolve(!unread)))
}
