/** The border of the HTTP side: every error leaves as a problem, or as a page for a browser; nothing leaves raw. */
import type { ErrorRequestHandler, Request, RequestHandler, Response } from 'express'
import { AppError } from '../../core/domain/errors.ts'
import type { Log } from '../../core/runtime/log.ts'
import { fromHttpError, PROBLEM_TYPE, toProblem } from '../problem.ts'
import { localeOf, setLocaleHeaders } from './locale.ts'

export const notFound: RequestHandler = () => {
  throw new AppError('not_found')
}

export const methodNotAllowed =
  (...allowed: string[]): RequestHandler =>
  (req, res) => {
    res.set('Allow', allowed.join(', '))
    throw new AppError('method_not_allowed', {
      detail: `${req.method} is not possible here; use ${allowed.join(' or ')}.`,
    })
  }

export function handleErrors({
  log,
  renderPage,
}: {
  log: Log
  renderPage: (req: Request, res: Response, error: AppError) => Promise<void>
}): ErrorRequestHandler {
  // Express recognises an error handler by its four arguments.
  return async (raw, req, res, _next) => {
    const error = fromHttpError(raw) ?? new AppError('internal_error', { cause: raw })
    // A full queue is no fault, and there may be thousands of such calls.
    if (error.code === 'queue_full') log.debug({ code: error.code, method: req.method }, 'a call was refused')
    else if (error.status >= 500)
      log.error({ err: error, method: req.method, route: req.route?.path }, 'a call failed')
    if (res.headersSent) return void res.destroy()
    if (error.retryAfterSeconds !== undefined) res.set('Retry-After', String(error.retryAfterSeconds))
    else if (error.status === 503) res.set('Retry-After', '5')
    res.status(error.status).set('Cache-Control', 'no-store')
    setLocaleHeaders(req, res)
    const wantsPage = !req.path.startsWith('/api/') && req.accepts(['json', 'html']) === 'html'
    if (wantsPage) {
      try {
        return await renderPage(req, res, error)
      } catch (cause) {
        // Express would show its stack: better a plain problem than that.
        log.error({ err: cause }, 'the page of an error failed')
      }
    }
    res.type(PROBLEM_TYPE).send(JSON.stringify(toProblem(error, localeOf(req))))
  }
}
