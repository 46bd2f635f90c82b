/** Who calls: a browser by its session cookie, a program by its address. Scopes Idempotency-Keys, nothing else yet. */
import type { NextFunction, Request, Response } from 'express'
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

export function identify(req: Request, res: Response, next: NextFunction): void {
  const sessionId = PRESENT.exec(req.headers.cookie ?? '')?.[1] ?? null
  res.locals.caller = { sessionId, caller: sessionId ?? `address:${req.ip}` } satisfies Caller
  next()
}

/**
 * Pages give every browser a session; the API leaves programs without one. Only when a page is looked at: a browser
 * that keeps no cookies must be the same caller each time it sends a form.
 */
export function startSession(req: Request, res: Response, next: NextFunction): void {
  const isLooking = req.method === 'GET' || req.method === 'HEAD'
  if (isLooking && callerOf(res).sessionId === null) {
    const sessionId = nanoid(21)
    res.locals.caller = { sessionId, caller: sessionId } satisfies Caller
    res.cookie(COOKIE, sessionId, { httpOnly: true, sameSite: 'lax', secure: req.secure, path: '/' })
  }
  next()
}
