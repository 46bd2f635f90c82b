/**
 * What follows when a form of a page is refused: a redirect to a page that says why and keeps what was typed. Neither
 * stands in its address, only an id under which it is found for a while.
 */
import type { Request, Response } from 'express'
import { AppError } from '../../core/domain/errors.ts'
import type { Refusal, Refusals } from '../../core/store/form-refusals.ts'
import { callerOf } from '../middleware/caller.ts'
import { refusedLink } from '../pages/links.ts'
import type { Sessions } from '../sessions.ts'

export interface RefusedForms {
  /**
   * Redirects to the page at this address, which says why.
   * @returns false where nothing was sent: the refusal must be told in the answer itself
   */
  redirect(
    req: Request,
    res: Response,
    error: AppError,
    address: string,
    input?: RefusedInput,
  ): Promise<boolean>
  /** What the address speaks of; null where it speaks of nothing that is known and this browser's. */
  find(req: Request): Promise<FoundRefusal | null>
  /** The status of a page that shows it. */
  setStatus(res: Response, refused: FoundRefusal | null): void
}

type RefusedInput = Pick<Refusal, 'key' | 'values' | 'prompt'>

export interface FoundRefusal extends RefusedInput {
  /** Undefined once the form may be sent again. */
  error: AppError | undefined
}

/** What is wrong with the form, or with the time it was sent at; nothing that the page behind the redirect says itself. */
const isShownAfterRedirect = ({ code, status }: AppError): boolean =>
  code === 'cookies_required' || ([422, 429, 503].includes(status) && code !== 'storage_unavailable')

export function createRefusedForms({
  refusals,
  sessions,
  now = Date.now,
}: {
  refusals: Refusals
  sessions: Sessions
  now?: () => number
}): RefusedForms {
  return {
    async redirect(req, res, error, address, input = {}) {
      if (!input.prompt && !isShownAfterRedirect(error)) return false
      const { code, errors, retryAfterSeconds } = error
      const retryAt = retryAfterSeconds === undefined ? undefined : now() + retryAfterSeconds * 1000
      // Not one that is only now being offered: the browser may not take it.
      const sessionId = sessions.read(req.headers.cookie)
      const id = await refusals.keep(callerOf(res).network, {
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
      if (sessionId !== null && sessionId !== sessions.read(req.headers.cookie)) return null
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
