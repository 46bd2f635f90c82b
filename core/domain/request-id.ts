/**
 * The unguessable name of a request: `req_`, 21 random characters, and 8 that say when it was made. The time inside
 * tells an expired request (410) from one that never was (404) with nothing stored.
 */
import { nanoid } from 'nanoid'
import { AppError } from './errors.ts'

const TIME_LENGTH = 8
const OURS = /^req_[A-Za-z0-9_-]{21}([0-9a-z]{8})$/
/** Records of other programs are shown under any name of this form. */
const ANY = /^req_[A-Za-z0-9_-]{16,64}$/
/** Nothing of ours was made before this: a random name that happens to look like a time is not an expired request. */
const FIRST_RELEASE = Date.UTC(2026, 0, 1)

export const createRequestHash = (nowMs: number): string =>
  `req_${nanoid(21)}${Math.floor(nowMs).toString(36).padStart(TIME_LENGTH, '0')}`

export const isRequestHash = (text: unknown): text is string => typeof text === 'string' && ANY.test(text)

/** Milliseconds at which this hash was made; null when it is not one of ours. */
export function creationTimeOf(hash: string, nowMs: number): number | null {
  const time = OURS.exec(hash)?.[1]
  if (!time) return null
  const ms = Number.parseInt(time, 36)
  return ms >= FIRST_RELEASE && ms <= nowMs + 86_400_000 ? ms : null
}

/** 410 for what was, 404 for what never was: the hash knows when it was made. */
export function notFoundOrExpired(hash: string, now: number, ttlSeconds: number): AppError {
  const made = creationTimeOf(hash, now)
  const expired = made !== null && now >= made + ttlSeconds * 1000
  return new AppError(expired ? 'request_expired' : 'request_not_found')
}
