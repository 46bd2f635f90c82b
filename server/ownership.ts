/**
 * Decides who may read a request and who may act on it. By default anyone who knows the hash may; OWNER_CHECK requires the
 * user or session that submitted the request (browsers, by cookie) or the owner token that the submit returned (programs).
 *
 * The only place that decides: API, pages and sockets pass on the credentials they were given.
 */
import { createHmac, hash, timingSafeEqual } from 'node:crypto'
import { AppError, nullIfUnreadable } from '../core/domain/errors.ts'
import type { RequestRecord } from '../core/domain/record.ts'
import { isRequestHash } from '../core/domain/request-id.ts'
import type { OwnerCheck } from '../core/runtime/config.ts'
import { isCodeToken } from '../core/store/code-links.ts'
import type { RequestStore } from '../core/store/request-store.ts'
import type { SessionCookies } from './sessions.ts'
import { isUserId } from './sign-in.ts'
import { isViewToken, type ViewLinks } from './view-links.ts'

/** What a caller presents; null where it has none. */
export interface Credentials {
  sessionId: string | null
  /** Of a user who is signed in. */
  userId: string | null
  ownerToken: string | null
}

export type Viewer = Pick<Credentials, 'sessionId' | 'userId'>

/** `read`: see the request. `act`: submit a code, request another one, cancel. */
export type Permission = 'read' | 'act'

export interface Ownership {
  /**
   * @param hash or the token of a link
   * @throws AppError `request_not_found`, `request_expired`, `link_revoked`, and only then `not_owner`; `storage_unavailable`
   */
  check(hash: string, credentials: Credentials, permission: Permission): Promise<void>
  /** Like `check`, but returns false instead of throwing `not_owner`. */
  allows(hash: string, credentials: Credentials, permission: Permission): Promise<boolean>
  /** Whether this user or browser session submitted the request, whatever OWNER_CHECK is. @throws AppError as `check` */
  isSubmitter(hash: string, viewer: Viewer): Promise<boolean>
  /**
   * The values that this user or browser session submitted in the form of this service. Others never get them, whatever
   * OWNER_CHECK is.
   * @returns null for others, and when the request does not exist or has expired
   * @throws AppError `storage_unavailable`
   */
  submittedValues(hash: string, slug: string, viewer: Viewer): Promise<Record<string, unknown> | null>
}

export function createOwnership({
  mode,
  store,
  viewLinks,
  sessions,
}: {
  mode: OwnerCheck
  store: RequestStore
  viewLinks: Pick<ViewLinks, 'isOpen'>
  sessions: Pick<SessionCookies, 'recorded'>
}): Ownership {
  const ownerOnly: Record<OwnerCheck, readonly Permission[]> = {
    off: [],
    actions: ['act'],
    all: ['read', 'act'],
  }
  /** A request of a user who was signed in does not belong to the session: others may use the same browser later. */
  const isFrom = ({ session_id: owner, user_id }: RequestRecord, { sessionId, userId }: Viewer): boolean =>
    isUserId(user_id)
      ? userId !== null && constantTimeEqual(userId, user_id)
      : Boolean(owner) && sessionId !== null && constantTimeEqual(sessionId, sessions.recorded(String(owner)))

  /** A record without an owner, as other programs write them, belongs to anyone who knows its hash. */
  function isOwner(record: RequestRecord, { ownerToken, ...viewer }: Credentials): boolean {
    const token = record.owner_hash ?? null
    if (!record.session_id && !isUserId(record.user_id) && token === null) return true
    const byToken = token !== null && ownerToken !== null && constantTimeEqual(hashToken(ownerToken), token)
    return byToken || isFrom(record, viewer)
  }

  async function allows(hash: string, credentials: Credentials, permission: Permission): Promise<boolean> {
    // A link to the field of a code opens nothing else.
    if (isCodeToken(hash)) return false
    // One that shows a request does so in any mode, and nothing else.
    if (isViewToken(hash)) {
      if (!(await viewLinks.isOpen(hash))) throw new AppError('link_revoked')
      return permission === 'read'
    }
    if (!ownerOnly[mode].includes(permission)) return true
    return isOwner((await store.get(hash)).record, credentials)
  }
  return {
    allows,
    async check(hash, credentials, permission) {
      if (!(await allows(hash, credentials, permission))) throw new AppError('not_owner')
    },
    isSubmitter: async (hash, viewer) => isFrom((await store.get(hash)).record, viewer),
    async submittedValues(hash, slug, viewer) {
      if (!isRequestHash(hash)) return null
      const stored = await store.read(hash).catch(nullIfUnreadable)
      const isSubmitter = stored?.record.service_slug === slug && isFrom(stored.record, viewer)
      return isSubmitter ? stored.record.request_data : null
    },
  }
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
