/**
 * Identifies the caller: a browser by its session cookie, a program by its address. Idempotency-Keys are scoped to it; the
 * session also owns the browser's requests (`ownership.ts`).
 */
import { isIP } from 'node:net'
import type { Request, RequestHandler, Response } from 'express'
import { ipKeyGenerator } from 'express-rate-limit'
import { SESSION_COOKIE, type SessionCookies } from '../sessions.ts'

export interface Caller {
  /** Null for programs without a cookie. */
  sessionId: string | null
  /** The scope of Idempotency-Keys. */
  caller: string
  /** What rate limits and fair scheduling count: the address; for IPv6 the network of one customer. */
  network: string
}

export const callerOf = (res: Response): Caller => res.locals.caller as Caller

/** Whether the browser sends back the session cookie of its first page, validly signed or not. */
export const keepsSessionCookie = (req: Request): boolean =>
  req.headers.cookie?.includes(`${SESSION_COOKIE}=`) ?? false

/** A proxy may forward any text; if it is no address, the proxy's own address counts. */
function addressOf({ ip = '', socket }: Request): string {
  // Some proxies append the port.
  const bare = /^\[(.+)\](?::\d+)?$/.exec(ip)?.[1] ?? /^([\d.]+):\d+$/.exec(ip)?.[1] ?? ip
  return isIP(bare) ? bare : (socket.remoteAddress ?? '')
}

export function identify(sessions: SessionCookies): RequestHandler {
  return (req, res, next) => {
    const sessionId = sessions.read(req.headers.cookie)
    const address = addressOf(req)
    res.locals.caller = {
      sessionId,
      caller: sessionId ?? `address:${address}`,
      network: ipKeyGenerator(address),
    } satisfies Caller
    next()
  }
}

/**
 * Pages give each browser a session; the API gives programs none. Only a GET changes the caller: a browser that keeps no
 * cookies must stay the same caller each time it sends a form.
 *
 * @param always whether a form post starts a session as well, so that each request of a page has an owner
 */
export function startSession(sessions: SessionCookies, { always }: { always: boolean }): RequestHandler {
  return (req, res, next) => {
    const isLooking = req.method === 'GET' || req.method === 'HEAD'
    const { sessionId: present, caller, network } = callerOf(res)
    if (present === null && (isLooking || always)) {
      const sessionId = sessions.create()
      res.locals.caller = { sessionId, caller: isLooking ? sessionId : caller, network } satisfies Caller
      res.cookie(SESSION_COOKIE, sessions.sign(sessionId), {
        httpOnly: true,
        sameSite: 'lax',
        secure: req.secure,
        path: '/',
      })
    }
    next()
  }
}
