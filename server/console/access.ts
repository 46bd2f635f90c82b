/**
 * Who is signed in to the console. With ADMIN_TOKEN a cookie says so: it is signed with the installation's secret and with a
 * digest of the token, so that another token ends all sessions. With ADMIN_HEADER a trusted proxy says so.
 */
import { timingSafeEqual } from 'node:crypto'
import type { Request, Response } from 'express'
import { nanoid } from 'nanoid'
import type { RedisClient } from '../../core/redis/connect.ts'
import type { InstallationSecret } from '../../core/redis/installation-secret.ts'
import type { ConsoleAccess } from '../../core/runtime/console-settings.ts'
import { withStorageErrors } from '../../core/store/storage-errors.ts'

export interface Operator {
  /** For the audit log: `token`, or the name that the proxy gave. */
  who: string
  /** The hidden field of each form: a page of another site does not know it. */
  formToken: string
}

export interface ConsoleDoor {
  /** Null for those who are not signed in. */
  operatorOf(req: Request): Promise<Operator | null>
  /** Whether operators sign in with the form; false where the proxy signs them in. */
  readonly hasForm: boolean
  /** Starts a session where this is the token. */
  signIn(req: Request, res: Response, typed: string): boolean
  /** Ends the session everywhere, not only in this browser. @throws AppError `storage_unavailable` */
  signOut(req: Request, res: Response): Promise<void>
  isFormToken(operator: Operator, given: unknown): boolean
}

const COOKIE = 'halfway_admin'
const FORM = new RegExp(`(?:^|;\\s*)${COOKIE}=(([0-9a-z]{8,9})\\.[\\w-]{21})\\.([\\w-]{43})(?=;|$)`, 'g')
const SESSION_MS = 12 * 3600 * 1000
const MAX_NAME_CHARACTERS = 100

export function createConsoleDoor({
  redis,
  access,
  secret,
  now,
}: {
  redis: RedisClient
  access: ConsoleAccess
  secret: Pick<InstallationSecret, 'digest'>
  now: () => number
}): ConsoleDoor {
  const digestOf = (token: string): string => secret.digest('console token', token)
  const isEqual = (a: string, b: string): boolean =>
    timingSafeEqual(Buffer.from(digestOf(a)), Buffer.from(digestOf(b)))
  const sign = (session: string, token: string): string =>
    secret.digest('console session', `${session} ${digestOf(token)}`)
  const formTokenOf = (session: string): string => secret.digest('console form', session)

  function sessionOf(req: Request, token: string): string | null {
    // Another site of the domain may have set cookies of this name, too.
    for (const [, session = '', startedAt = '', signature = ''] of (req.headers.cookie ?? '').matchAll(
      FORM,
    )) {
      const age = now() - Number.parseInt(startedAt, 36)
      if (age < SESSION_MS && isEqual(signature, sign(session, token))) return session
    }
    return null
  }

  /** While Redis is away nothing can be done in the console, and its page says so. */
  const isSignedOut = async (session: string): Promise<boolean> =>
    (await redis.exists(redis.names.signedOut(session)).catch(() => 0)) === 1

  async function operatorOf(req: Request): Promise<Operator | null> {
    if (access.by === 'token') {
      const session = sessionOf(req, access.token)
      return session === null || (await isSignedOut(session))
        ? null
        : { who: 'token', formToken: formTokenOf(session) }
    }
    const trusts = req.app.get('trust proxy fn') as (address: string | undefined, hop: number) => boolean
    const who = String(req.headers[access.header] ?? '').trim()
    if (who === '' || !trusts(req.socket.remoteAddress, 0)) return null
    return { who: who.slice(0, MAX_NAME_CHARACTERS), formToken: formTokenOf(`header ${who}`) }
  }

  const cookieOptions = (req: Request) =>
    ({ httpOnly: true, sameSite: 'strict', secure: req.secure, path: '/admin' }) as const

  return {
    operatorOf,
    hasForm: access.by === 'token',
    signIn(req, res, typed) {
      if (access.by !== 'token' || !isEqual(typed, access.token)) return false
      const session = `${Math.floor(now()).toString(36)}.${nanoid(21)}`
      const value = `${session}.${sign(session, access.token)}`
      res.cookie(COOKIE, value, { ...cookieOptions(req), maxAge: SESSION_MS })
      return true
    },
    async signOut(req, res) {
      const session = access.by === 'token' ? sessionOf(req, access.token) : null
      if (session !== null)
        await withStorageErrors(() => redis.set(redis.names.signedOut(session), '1', 'PX', SESSION_MS))
      res.clearCookie(COOKIE, cookieOptions(req))
    },
    isFormToken: ({ formToken }, given) => typeof given === 'string' && isEqual(given, formToken),
  }
}
