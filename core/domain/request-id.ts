/**
 * The unguessable hash of a request: `req_`, 21 random characters, and 8 that encode its creation time. The time distinguishes
 * an expired request (410) from one that never existed (404) without storing anything.
 */
import { nanoid } from 'nanoid'
import { AppError } from './errors.ts'

const TIME_LENGTH = 8
const OWN_FORM = /^req_[A-Za-z0-9_-]{21}([0-9a-z]{8})$/
/** Records of other programs may have any hash of this form. Here it stands within a text, such as an address. */
export const REQUEST_HASH = /req_[A-Za-z0-9_-]{16,64}/
const ANY_FORM = new RegExp(`^${REQUEST_HASH.source}$`)
/** No own hash is older: a random one that happens to look like a time must not read as an expired request. */
const FIRST_RELEASE = Date.UTC(2026, 0, 1)

export const createRequestHash = (nowMs: number): string =>
  `req_${nanoid(21)}${Math.floor(nowMs).toString(36).padStart(TIME_LENGTH, '0')}`

export const isRequestHash = (text: unknown): text is string =>
  typeof text === 'string' && ANY_FORM.test(text)

/** Creation time of an own hash, milliseconds; null for a foreign one. */
export function creationTimeOf(hash: string, nowMs: number): number | null {
  const time = OWN_FORM.exec(hash)?.[1]
  if (!time) return null
  const ms = Number.parseInt(time, 36)
  return ms >= FIRST_RELEASE && ms <= nowMs + 86_400_000 ? ms : null
}

/** 410 for a request that existed, 404 for one that never did. */
export function notFoundOrExpired(hash: string, now: number, ttlSeconds: number): AppError {
  const createdAt = creationTimeOf(hash, now)
  const expired = createdAt !== null && now >= createdAt + ttlSeconds * 1000
  return new AppError(expired ? 'request_expired' : 'request_not_found')
}
