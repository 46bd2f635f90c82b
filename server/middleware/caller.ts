/**
 * Who calls: a browser by its session cookie, a program by its address. Scopes Idempotency-Keys; the session is also what
 * a request of a browser belongs to (`ownership.ts`).
 */
import type { NextFunction, Request, RequestHandler, Response } from 'express'
import { nanoid } from 'nanoid'

const COOKIE = 'halfway_session'
const PRESENT = new RegExp(`(?:^|;\\s*)${COOKIE}=([A-Za-z0-9_-]{21})(?:;|$)`)

export interface Caller {
  /** Null for programs that keep no cookie. */
  sessionId: string | null
  /** What an Idempotency-Key is scoped to. */
  caller: string
}

export const callerOf = (res: Response): Caller => res.locals.caller as Caller

/** The session in a Cookie header; null without one of ours. */
export const sessionOf = (cookies: string | undefined): string | null =>
  PRESENT.exec(cookies ?? '')?.[1] ?? null

export function identify(req: Request, res: Response, next: NextFunction): void {
  const sessionId = sessionOf(req.headers.cookie)
  res.locals.caller = { sessionId, caller: sessionId ?? `address:${req.ip}` } satisfies Caller
  next()
}

/**
 * Pages give every browser a session; the API leaves programs without one. The caller stays who it was unless a page is
 * looked at: a browser that keeps no cookies must be the same caller each time it sends a form.
 *
 * @param always also when a form is sent, so that every request of a page has an owner
 */
export function startSession({ always }: { always: boolean }): RequestHandler {
  return (req, res, next) => {
    const isLooking = req.method === 'GET' || req.method === 'HEAD'
    const { sessionId: present, caller } = callerOf(res)
    if (present === null && (isLooking || always)) {
      const sessionId = nanoid(21)
      res.locals.caller = { sessionId, caller: isLooking ? sessionId : caller } satisfies Caller
      res.cookie(COOKIE, sessionId, { httpOnly: true, sameSite: 'lax', secure: req.secure, path: '/' })
    }
    next()
  }
}
