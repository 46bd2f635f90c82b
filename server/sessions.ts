/**
 * Browser sessions: a random id in a cookie, signed by the installation. A cookie with an invalid signature is ignored
 * everywhere. Only this file sees the id: everything else, Redis included, has a keyed digest of it.
 */
import { timingSafeEqual } from 'node:crypto'
import { nanoid } from 'nanoid'
import type { InstallationSecret } from '../core/redis/installation-secret.ts'

export const SESSION_COOKIE = 'halfway_session'
/** A browser accepts this name only over HTTPS, and from no other host: no subdomain can replace the cookie. */
const HOST_PREFIX = '__Host-'
const ID_LENGTH = 21
const SIGNED_COOKIE = new RegExp(
  `(?:^|;\\s*)(${HOST_PREFIX})?${SESSION_COOKIE}=([\\w-]{${ID_LENGTH}})(?:\\.([0-9a-z]{8,9}))?\\.([\\w-]{43})(?=;|$)`,
  'g',
)
const RENEW_AFTER_MS = 24 * 3_600_000
/** Longer than any request lives that was scheduled as far ahead as possible. */
const VALID_MS = 30 * 24 * 3_600_000

export interface SessionCookie {
  name: string
  value: string
  secure: boolean
}

export interface SessionCookies {
  /**
   * The session of a Cookie header, as a keyed digest; null without a validly signed one. Over HTTPS only the name with the
   * prefix counts: a subdomain may have set the other, with a session of its own.
   */
  read(cookies: string | undefined, isHttps?: boolean): string | null
  start(isHttps: boolean): { sessionId: string; cookie: SessionCookie }
  /** The session that a record names: the version before wrote the id itself, which is read for one release. */
  recorded(sessionId: string): string
  /** The same session in a newer cookie; null while the present one is good for longer. */
  renew(cookies: string | undefined, isHttps: boolean): SessionCookie | null
}

interface FoundCookie {
  id: string
  isPrefixed: boolean
  ageMs: number
}

/** @param isAlwaysHttps whether browsers use HTTPS even where a call arrives without */
export function createSessionCookies(
  secret: Pick<InstallationSecret, 'digest'>,
  { isAlwaysHttps = false, now = Date.now }: { isAlwaysHttps?: boolean; now?: () => number } = {},
): SessionCookies {
  const sessionIdOf = (id: string): string => secret.digest('session id', id)
  /** @param time undefined in a cookie of the version before, which is read for one release */
  const computeSignature = (id: string, time: string | undefined): string =>
    time === undefined ? secret.digest('session', id) : secret.digest('session cookie', `${id}.${time}`)

  function find(cookies = '', isHttps = false): FoundCookie | undefined {
    const needsPrefix = isHttps || isAlwaysHttps
    const found: FoundCookie[] = []
    for (const [, prefix, id = '', time, signature = ''] of cookies.matchAll(SIGNED_COOKIE)) {
      // The version before had no prefix.
      if (needsPrefix && prefix === undefined && time !== undefined) continue
      const isSigned = timingSafeEqual(Buffer.from(signature), Buffer.from(computeSignature(id, time)))
      const ageMs = time === undefined ? RENEW_AFTER_MS : now() - Number.parseInt(time, 36)
      if (isSigned && ageMs < VALID_MS) found.push({ id, ageMs, isPrefixed: prefix !== undefined })
    }
    return found.find(({ isPrefixed }) => isPrefixed) ?? found[0]
  }

  function toCookie(id: string, isHttps: boolean): SessionCookie {
    const time = Math.floor(now()).toString(36)
    return {
      name: isHttps ? HOST_PREFIX + SESSION_COOKIE : SESSION_COOKIE,
      value: `${id}.${time}.${computeSignature(id, time)}`,
      secure: isHttps,
    }
  }

  return {
    read(cookies, isHttps) {
      const found = find(cookies, isHttps)
      return found ? sessionIdOf(found.id) : null
    },
    recorded: (sessionId) => (sessionId.length === ID_LENGTH ? sessionIdOf(sessionId) : sessionId),
    start(isHttps) {
      const id = nanoid(ID_LENGTH)
      return { sessionId: sessionIdOf(id), cookie: toCookie(id, isHttps || isAlwaysHttps) }
    },
    renew(cookies, isHttps) {
      const found = find(cookies, isHttps)
      return found && found.ageMs >= RENEW_AFTER_MS ? toCookie(found.id, isHttps || isAlwaysHttps) : null
    },
  }
}
