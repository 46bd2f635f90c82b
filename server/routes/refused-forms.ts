/**
 * Refused forms: a redirect to a page that gives the reason and keeps the typed values. The address holds neither, only an
 * id under which both are stored for a limited time.
 */
import type { Request, Response } from 'express'
import { AppError } from '../../core/domain/errors.ts'
import type { Refusal, Refusals } from '../../core/store/form-refusals.ts'
import { callerOf, countedAs } from '../middleware/caller.ts'
import { refusedLink } from '../pages/links.ts'
import type { SessionCookies } from '../sessions.ts'

export interface RefusedForms {
  /**
   * Redirects to the page at this address, which gives the reason.
   * @returns false when nothing was sent: the caller must answer with the error itself
   */
  redirect(
    req: Request,
    res: Response,
    error: AppError,
    address: string,
    input?: RefusedInput,
  ): Promise<boolean>
  /** The refusal that the address names; null when it names none, or one that is unknown or another browser's. */
  find(req: Request): Promise<FoundRefusal | null>
  /** Sets the status of a page that shows the refusal. */
  setStatus(res: Response, refused: FoundRefusal | null): void
}

type RefusedInput = Pick<Refusal, 'key' | 'values' | 'prompt'>

export interface FoundRefusal extends RefusedInput {
  /** Undefined once the rate limit that caused it has passed. */
  error: AppError | undefined
}

/** Whether the error concerns the form or the time it was sent; other errors the target page shows by itself. */
const isShownAfterRedirect = ({ code, status }: AppError): boolean =>
  code === 'cookies_required' ||
  code === 'not_signed_in' ||
  ([422, 429, 503].includes(status) && code !== 'storage_unavailable')

export function createRefusedForms({
  refusals,
  sessions,
  now = Date.now,
}: {
  refusals: Refusals
  sessions: SessionCookies
  now?: () => number
}): RefusedForms {
  return {
    async redirect(req, res, error, address, input = {}) {
      if (!input.prompt && !isShownAfterRedirect(error)) return false
      const { code, errors, retryAfterSeconds } = error
      const retryAt = retryAfterSeconds === undefined ? undefined : now() + retryAfterSeconds * 1000
      // Only a session that the browser sent: it may refuse the one that this response offers.
      const sessionId = sessions.read(req.headers.cookie, req.secure)
      const id = await refusals.keep(countedAs(callerOf(res)), {
        ...input,
        code,
        errors,
        retryAt,
        sessionId,
      })
      if (id === null) return false
      res.removeHeader('Retry-After')
      res.redirect(303, refusedLink(address, id))
      return true
    },

    async find(req) {
      const refusal = typeof req.query.refused === 'string' && (await refusals.find(req.query.refused))
      if (!refusal) return null
      const { code, errors, retryAt, sessionId, ...input } = refusal
      if (sessionId !== null && sessionId !== sessions.read(req.headers.cookie, req.secure)) return null
      const retryAfterSeconds = retryAt && Math.ceil((retryAt - now()) / 1000)
      const mayRetry = retryAfterSeconds !== undefined && retryAfterSeconds <= 0
      return { ...input, error: mayRetry ? undefined : new AppError(code, { errors, retryAfterSeconds }) }
    },

    setStatus(res, refused) {
      if (!refused?.error) return
      const { status, retryAfterSeconds } = refused.error
      res.status(status)
      if (retryAfterSeconds) res.set('Retry-After', String(retryAfterSeconds))
    },
  }
}
