/**
 * Decides who may read a request and who may act on it. By default anyone who knows the hash may; OWNER_CHECK requires the
 * session that submitted the request (browsers, by cookie) or the owner token that the submit returned (programs).
 *
 * The only place that decides: API, pages and sockets pass on the credentials they were given.
 */
import { createHmac, hash, timingSafeEqual } from 'node:crypto'
import { AppError, nullIfUnreadable } from '../core/domain/errors.ts'
import type { RequestRecord } from '../core/domain/record.ts'
import { isRequestHash } from '../core/domain/request-id.ts'
import type { OwnerCheck } from '../core/runtime/config.ts'
import type { RequestStore } from '../core/store/request-store.ts'

/** What a caller presents; null where it has none. */
export interface Credentials {
  sessionId: string | null
  ownerToken: string | null
}

/** `read`: see the request. `act`: submit a code, request another one, cancel. */
export type Permission = 'read' | 'act'

export interface Ownership {
  /** @throws AppError `request_not_found`, `request_expired`, and only then `not_owner`; `storage_unavailable` */
  check(hash: string, credentials: Credentials, permission: Permission): Promise<void>
  /** Like `check`, but returns false instead of throwing `not_owner`. */
  allows(hash: string, credentials: Credentials, permission: Permission): Promise<boolean>
  /**
   * The values that this browser session submitted in the form of this service. Other sessions never get them, whatever
   * OWNER_CHECK is.
   * @returns null for other sessions, and when the request does not exist or has expired
   * @throws AppError `storage_unavailable`
   */
  submittedValues(
    hash: string,
    slug: string,
    sessionId: string | null,
  ): Promise<Record<string, unknown> | null>
}

export function createOwnership({ mode, store }: { mode: OwnerCheck; store: RequestStore }): Ownership {
  const ownerOnly: Record<OwnerCheck, readonly Permission[]> = {
    off: [],
    actions: ['act'],
    all: ['read', 'act'],
  }
  async function allows(hash: string, credentials: Credentials, permission: Permission): Promise<boolean> {
    if (!ownerOnly[mode].includes(permission)) return true
    return isOwner((await store.get(hash)).record, credentials)
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
      return isSubmitter ? stored.record.request_data : null
    },
  }
}

/** Whether this browser session submitted the request. */
const isFromSession = ({ session_id: owner }: RequestRecord, sessionId: string | null): boolean =>
  Boolean(owner) && sessionId !== null && constantTimeEqual(sessionId, owner as string)

/** A record without an owner, as other programs write them, belongs to anyone who knows its hash. */
function isOwner(record: RequestRecord, { sessionId, ownerToken }: Credentials): boolean {
  const token = record.owner_hash ?? null
  if (!record.session_id && token === null) return true
  const byToken = token !== null && ownerToken !== null && constantTimeEqual(hashToken(ownerToken), token)
  return byToken || isFromSession(record, sessionId)
}

/** Takes the same time for any content, so that timing does not reveal how much of a guess is right. */
const constantTimeEqual = (a: string, b: string): boolean =>
  timingSafeEqual(hash('sha256', a, 'buffer'), hash('sha256', b, 'buffer'))

const TOKEN_LENGTH = 32
const TOKEN = new RegExp(`^[\\w-]{${TOKEN_LENGTH}}$`)

/**
 * Derives a request's owner token (192 bits). A repeated submit gets the same token although it is not stored: Redis holds
 * the request's random seed with the idempotency claim, and the caller has the key. Neither the seed alone nor a guessed
 * key alone gives the token.
 *
 * @param key the caller's Idempotency-Key; without one the seed is not stored either
 */
export const deriveOwnerToken = (seed: string, key: string | null): string =>
  createHmac('sha256', seed)
    .update(key ?? '')
    .digest('base64url')
    .slice(0, TOKEN_LENGTH)

/** The form in which the record stores a token. */
export const hashToken = (token: string): string => hash('sha256', token, 'base64url')

/** @returns null for anything that does not have the form of an owner token */
export const parseOwnerToken = (given: unknown): string | null =>
  typeof given === 'string' && TOKEN.test(given) ? given : null
