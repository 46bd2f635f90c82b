/** The page a browser gets when its request ends in an error; status and headers are the error handler's. */
import type { Request, Response } from 'express'
import type { AppError } from '../../core/errors.ts'
import { readerOf } from '../middleware/locale.ts'
import type { Pages } from '../pages/index.ts'

export type RenderProblem = (req: Request, res: Response, error: AppError) => void

export function createRenderProblem(pages: Pages): RenderProblem {
  return (req, res, error) => {
    // An error handler stands outside of every route: there are no parameters to ask.
    const slug = /^\/services\/([^/]+)/.exec(req.path)?.[1] ?? null
    res.set('X-Robots-Tag', 'noindex, nofollow')
    res.send(pages.problem(readerOf(req), error, slug))
  }
}
