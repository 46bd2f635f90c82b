/** The page a browser gets when its request ends in an error. */
import type { Request, Response } from 'express'
import type { AppError } from '../../core/errors.ts'
import type { Pages } from '../pages/index.ts'
import { localeOf } from './locale.ts'

export type RenderProblem = (req: Request, res: Response, error: AppError) => void

export function createRenderProblem(pages: Pages): RenderProblem {
  return (req, res, error) => {
    // An error handler stands outside of every route: there are no parameters to ask.
    const slug = /^\/services\/([^/]+)/.exec(req.path)?.[1] ?? null
    if (error.retryAfterSeconds) res.set('Retry-After', String(error.retryAfterSeconds))
    res.status(error.status).set({
      'Cache-Control': 'no-store',
      'Referrer-Policy': 'no-referrer',
      'X-Robots-Tag': 'noindex, nofollow',
    })
    res.send(pages.problem(localeOf(req), error, { slug, address: req.originalUrl }))
  }
}
