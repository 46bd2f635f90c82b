/**
 * Identifies the caller: a user who is signed in, a browser by its session cookie, a program by its address. Idempotency-Keys are scoped to it; the
 * session also owns the browser's requests (`ownership.ts`).
 */
import type { Request, RequestHandler, Response } from 'express'
import type { InstallationSecret } from '../../core/redis/installation-secret.ts'
import { type AddressOf, networkOf } from '../client-address.ts'
import { SESSION_COOKIE, type SessionCookie, type SessionCookies } from '../sessions.ts'
import type { SignIn, User } from '../sign-in.ts'
import { callIdOf } from './call-id.ts'

export interface Caller {
  /** Null for those who are not signed in (server/sign-in.ts). */
  user: User | null
  /** A keyed digest. Null for programs without a cookie. */
  sessionId: string | null
  /** The scope of Idempotency-Keys. */
  caller: string
  /** What rate limits and fair scheduling count (client-address.ts), as a keyed digest. */
  network: string
  /** The id of the call. */
  callId: string
  /** Resolves once the call has been counted against its limit; rejects when the limit is reached, see countAlongside. */
  counted?: Promise<void>
}

export const callerOf = (res: Response): Caller => res.locals.caller as Caller

/** Whether the browser sends back the session cookie of its first page, validly signed or not. */
export const keepsSessionCookie = (req: Request): boolean =>
  req.headers.cookie?.includes(`${SESSION_COOKIE}=`) ?? false

/** What is counted against limits: the user, else the network. */
export const countedAs = ({ user, network }: Caller): string => user?.digest ?? network

/** Long enough to differ for all addresses that call within a day. */
const NETWORK_LENGTH = 16

interface IdentifyDeps {
  sessions: Pick<SessionCookies, 'read'>
  secret: Pick<InstallationSecret, 'digest'>
  signIn: Pick<SignIn, 'userOf'>
  addressOf: AddressOf
}

export function identify({ sessions, secret: { digest }, signIn, addressOf }: IdentifyDeps): RequestHandler {
  return async (req, res, next) => {
    const user = await signIn.userOf(req)
    const sessionId = sessions.read(req.headers.cookie, req.secure)
    const address = addressOf(req)
    res.locals.caller = {
      user,
      sessionId,
      // Only a digest of it together with the key is stored.
      caller: user?.digest ?? sessionId ?? `address:${address}`,
      network: digest('network', networkOf(address)).slice(0, NETWORK_LENGTH),
      callId: callIdOf(res),
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
    const present = callerOf(res)
    if (present.sessionId !== null)
      send(res, isLooking ? sessions.renew(req.headers.cookie, req.secure) : null)
    else if (isLooking || always) {
      const { sessionId, cookie } = sessions.start(req.secure)
      const caller = isLooking && !present.user ? sessionId : present.caller
      res.locals.caller = { ...present, sessionId, caller } satisfies Caller
      send(res, cookie)
    }
    next()
  }
}

function send(res: Response, cookie: SessionCookie | null): void {
  if (cookie === null) return
  const { name, value, secure } = cookie
  res.cookie(name, value, { httpOnly: true, sameSite: 'lax', secure, path: '/' })
}
