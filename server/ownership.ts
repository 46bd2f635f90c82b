/**
 * Who may look at a request, and who may act on it. By default whoever knows the hash; OWNER_CHECK asks for more: the
 * session that made the request (browsers, by cookie) or the token that its submit was answered with (programs).
 *
 * The one place that decides; API, pages and sockets only bring what they were shown.
 */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import { AppError, nullIfUnreadable } from '../core/domain/errors.ts'
import type { RequestRecord } from '../core/domain/record.ts'
import { isRequestHash, notFoundOrExpired } from '../core/domain/request-id.ts'
import type { OwnerCheck } from '../core/runtime/config.ts'
import type { RequestStore } from '../core/store/request-store.ts'

/** What somebody shows to say who they are; null what they do not have. */
export interface Credentials {
  sessionId: string | null
  ownerToken: string | null
}

/** `read`: see how a request stands. `act`: hand over a code, ask for another, cancel. */
export type Permission = 'read' | 'act'

export interface Ownership {
  /** @throws AppError `request_not_found`, `request_expired`, and only then `not_owner`; `storage_unavailable` */
  check(hash: string, credentials: Credentials, permission: Permission): Promise<void>
  /** The same as a question: false instead of `not_owner`. */
  allows(hash: string, credentials: Credentials, permission: Permission): Promise<boolean>
  /**
   * What this browser session once typed into the form of this service, in its plain form. Whoever else knows the hash
   * learns nothing of it, whatever OWNER_CHECK says.
   * @returns null for anybody else, and where there is no such request (any more)
   * @throws AppError `storage_unavailable`
   */
  submittedValues(
    hash: string,
    slug: string,
    sessionId: string | null,
  ): Promise<Record<string, string> | null>
}

export function createOwnership({
  mode,
  store,
  ttlSeconds,
  now = Date.now,
}: {
  mode: OwnerCheck
  store: RequestStore
  ttlSeconds: number
  now?: () => number
}): Ownership {
  const ownerOnly: Record<OwnerCheck, readonly Permission[]> = {
    off: [],
    actions: ['act'],
    all: ['read', 'act'],
  }
  async function allows(hash: string, credentials: Credentials, permission: Permission): Promise<boolean> {
    if (!ownerOnly[mode].includes(permission)) return true
    if (!isRequestHash(hash)) throw new AppError('request_not_found')
    const stored = await store.read(hash)
    if (!stored) throw notFoundOrExpired(hash, now(), ttlSeconds)
    return isOwner(stored.record, credentials)
  }
  return {
    allows,
    async check(hash, credentials, permission) {
      if (!(await allows(hash, credentials, permission))) throw new AppError('not_owner')
    },
    async submittedValues(hash, slug, sessionId) {
      if (!isRequestHash(hash) || sessionId === null) return null
      const stored = await store.read(hash).catch(nullIfUnreadable)
      const isSubmitter = stored?.record.service_slug === slug && isFromSession(stored.record, sessionId)
      return isSubmitter ? textValues(stored.record.request_data) : null
    },
  }
}

/** Another program may have put anything there; forms ask for text. */
const textValues = (data: Record<string, unknown>): Record<string, string> =>
  Object.fromEntries(
    Object.entries(data).filter((each): each is [string, string] => typeof each[1] === 'string'),
  )

/** Whether this browser session made the request. */
const isFromSession = ({ session_id: owner }: RequestRecord, sessionId: string | null): boolean =>
  Boolean(owner) && sessionId !== null && constantTimeEqual(sessionId, owner as string)

/** What names no owner, as the records of other programs, stays with whoever knows its hash. */
function isOwner(record: RequestRecord, { sessionId, ownerToken }: Credentials): boolean {
  const token = record.owner_hash ?? null
  if (!record.session_id && token === null) return true
  const byToken = token !== null && ownerToken !== null && constantTimeEqual(hashToken(ownerToken), token)
  return byToken || isFromSession(record, sessionId)
}

/** Takes as long whatever is in them: how much of a guess is right cannot be measured. */
const constantTimeEqual = (a: string, b: string): boolean => timingSafeEqual(sha256(a), sha256(b))
const sha256 = (text: string): Buffer => createHash('sha256').update(text).digest()

const TOKEN_LENGTH = 32
const TOKEN = new RegExp(`^[\\w-]{${TOKEN_LENGTH}}$`)

/**
 * The token of the request that a submit makes: 192 bits. It can be told again to who repeats the submit, though it is
 * kept nowhere: the seed, random and of this one request, lies in Redis with what the Idempotency-Key stands for; the
 * key is the caller's. Neither the seed without the key nor a guessed key without the seed gives the token.
 *
 * @param key the caller's Idempotency-Key; without one the seed is kept nowhere either
 */
export const deriveOwnerToken = (seed: string, key: string | null): string =>
  createHmac('sha256', seed)
    .update(key ?? '')
    .digest('base64url')
    .slice(0, TOKEN_LENGTH)

/** What the record keeps of it. */
export const hashToken = (token: string): string => sha256(token).toString('base64url')

/** Null for what no token of ours looks like. */
export const parseOwnerToken = (given: unknown): string | null =>
  typeof given === 'string' && TOKEN.test(given) ? given : null
