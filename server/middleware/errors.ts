/** Turns every error into a problem response, or into a page for browsers; no error leaves the server raw. */
import type { ErrorRequestHandler, Request, RequestHandler, Response } from 'express'
import { AppError } from '../../core/domain/errors.ts'
import { REQUEST_HASH } from '../../core/domain/request-id.ts'
import { shortReference } from '../../core/domain/short-reference.ts'
import type { Log } from '../../core/runtime/log.ts'
import { fromHttpError, PROBLEM_TYPE, toProblem } from '../problem.ts'
import type { OnRefusal } from '../refused-calls.ts'
import { callIdOf } from './call-id.ts'
import { callerOf } from './caller.ts'
import { localeOf, setLocaleHeaders } from './locale.ts'

export const notFound: RequestHandler = () => {
  throw new AppError('not_found')
}

export const methodNotAllowed =
  (...allowed: string[]): RequestHandler =>
  (req, res) => {
    res.set('Allow', allowed.join(', '))
    throw new AppError('method_not_allowed', {
      detail: `${req.method} is not allowed here; use ${allowed.join(' or ')}.`,
    })
  }

export function handleErrors({
  log,
  onRefusal,
  renderPage,
}: {
  log: Log
  onRefusal: OnRefusal
  renderPage: (req: Request, res: Response, error: AppError) => Promise<void>
}): ErrorRequestHandler {
  // Express recognises an error handler by its four parameters.
  return async (thrown, req, res, _next) => {
    // A limit that is reached comes before what else is wrong.
    const raw = await (callerOf(res)?.counted ?? Promise.resolve()).then(
      () => thrown,
      (refusal) => refusal,
    )
    const callId = callIdOf(res)
    const error = fromHttpError(raw) ?? new AppError('internal_error', { cause: raw })
    // A full queue is no failure, and there may be thousands of such calls.
    if (error.code === 'queue_full') log.debug({ code: error.code, method: req.method }, 'call refused')
    else if (error.status >= 500)
      log.error(
        { call_id: callId, ...requestIn(req), err: error, method: req.method, route: req.route?.path },
        'call failed',
      )
    onRefusal({ action: 'call', reason: error.code, req, ...requestIn(req) })
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
        // Otherwise Express would send its stack.
        log.error({ call_id: callId, err: cause }, 'rendering the error page failed')
      }
    }
    res.type(PROBLEM_TYPE).send(JSON.stringify(toProblem(error, localeOf(req), callId)))
  }
}

/** The request that the address names. */
function requestIn({ originalUrl }: Request): { request?: string } {
  const [hash] = REQUEST_HASH.exec(originalUrl) ?? []
  return hash === undefined ? {} : { request: shortReference(hash) }
}
