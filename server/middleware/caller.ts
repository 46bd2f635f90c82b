/**
 * Who calls: a browser by its session cookie, a program by its address. Scopes Idempotency-Keys; the session is also what
 * a request of a browser belongs to (`ownership.ts`).
 */
import { isIP } from 'node:net'
import type { Request, RequestHandler, Response } from 'express'
import { ipKeyGenerator } from 'express-rate-limit'
import { SESSION_COOKIE, type Sessions } from '../sessions.ts'

export interface Caller {
  /** Null for programs that keep no cookie. */
  sessionId: string | null
  /** What an Idempotency-Key is scoped to. */
  caller: string
  /** What limits and turns are counted for: the address, of IPv6 the network that one customer has. */
  network: string
}

export const callerOf = (res: Response): Caller => res.locals.caller as Caller

/** Whether the browser keeps our cookie, signed or not: it is given one with its first page. */
export const keepsSessionCookie = (req: Request): boolean =>
  req.headers.cookie?.includes(`${SESSION_COOKIE}=`) ?? false

/** What a proxy names may be any text; what is no address counts as the proxy itself. */
function addressOf({ ip = '', socket }: Request): string {
  // Some proxies name the port, too.
  const bare = /^\[(.+)\](?::\d+)?$/.exec(ip)?.[1] ?? /^([\d.]+):\d+$/.exec(ip)?.[1] ?? ip
  return isIP(bare) ? bare : (socket.remoteAddress ?? '')
}

export function identify(sessions: Sessions): RequestHandler {
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
 * Pages give every browser a session; the API leaves programs without one. The caller stays who it was unless a page is
 * looked at: a browser that keeps no cookies must be the same caller each time it sends a form.
 *
 * @param always also when a form is sent, so that every request of a page has an owner
 */
export function startSession(sessions: Sessions, { always }: { always: boolean }): RequestHandler {
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
