/**
 * Browser sessions: a random id in a cookie, signed by the installation. A cookie with an invalid signature is ignored
 * everywhere.
 */
import { timingSafeEqual } from 'node:crypto'
import { nanoid } from 'nanoid'
import type { InstallationSecret } from '../core/redis/installation-secret.ts'

export const SESSION_COOKIE = 'halfway_session'
const SIGNED_COOKIE = new RegExp(`(?:^|;\\s*)${SESSION_COOKIE}=([\\w-]{21})\\.([\\w-]{43})(?=;|$)`, 'g')

export interface SessionCookies {
  /** The session id in a Cookie header; null without a validly signed one. */
  read(cookies: string | undefined): string | null
  /** A new random id. */
  create(): string
  /** The cookie's value for this id. */
  sign(id: string): string
}

export function createSessionCookies(secret: Pick<InstallationSecret, 'digest'>): SessionCookies {
  const computeSignature = (id: string): string => secret.digest('session', id)
  return {
    read(cookies = '') {
      for (const [, id = '', signature = ''] of cookies.matchAll(SIGNED_COOKIE))
        if (timingSafeEqual(Buffer.from(signature), Buffer.from(computeSignature(id)))) return id
      return null
    },
    create: () => nanoid(21),
    sign: (id) => `${id}.${computeSignature(id)}`,
  }
}
