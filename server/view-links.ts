/**
 * Links that show a request and cannot act on it. A link has the hash encrypted, so that it opens nothing else and Redis needs
 * no record of what it leads to: under digests, Redis has which links of a request are open.
 */
import { hash as digest } from 'node:crypto'
import { AppError } from '../core/domain/errors.ts'
import type { PublicView } from '../core/domain/record.ts'
import { isRequestHash } from '../core/domain/request-id.ts'
import type { RedisClient } from '../core/redis/connect.ts'
import type { InstallationSecret } from '../core/redis/installation-secret.ts'
import { retryWithoutWrongTypes } from '../core/redis/wrong-type.ts'
import { decrypt, encrypt } from '../core/runtime/aes-gcm.ts'
import { withStorageErrors } from '../core/store/storage-errors.ts'

export interface ViewLinks {
  /** @returns the token. @throws AppError `validation_failed` for one too many, `storage_unavailable` */
  create(view: Pick<PublicView, 'hash' | 'expires_at'>): Promise<string>
  /** The hash behind a token of this installation, whether its link is open or not; null for any other text. */
  hashOf(token: string): string | null
  /** @throws AppError `storage_unavailable`, as of all these */
  isOpen(token: string): Promise<boolean>
  /** Whether any link of a request is open. */
  isShared(hash: string): Promise<boolean>
  /** As long as the request is kept. */
  extend(view: Pick<PublicView, 'hash' | 'expires_at'>): Promise<void>
  /** Ends one link of a request, or all. @returns whether there was one */
  remove(hash: string, token?: string): Promise<boolean>
}

const PREFIX = 'view_'
const TOKEN = new RegExp(`^${PREFIX}[\\w-]{60,140}$`)
const CONTEXT = 'view link'
/** Of one request, open at the same time. */
export const MAX_VIEW_LINKS = 20

/** Whether a text has the form of a token, which that of a hash never has. */
export const isViewToken = (text: unknown): text is string => typeof text === 'string' && TOKEN.test(text)

const fieldOf = (token: string): string => digest('sha256', token, 'base64url')

export function createViewLinks({
  redis,
  secret,
  ttlSeconds,
}: {
  redis: RedisClient
  secret: Pick<InstallationSecret, 'digest'>
  /** REQUEST_TTL: so long a record may live on once its request has ended. */
  ttlSeconds: number
}): ViewLinks {
  const key = (): Buffer => Buffer.from(secret.digest(CONTEXT, 'key'), 'base64url')
  const onLinks = <T>(hash: string, work: (links: string) => Promise<T>): Promise<T> => {
    const links = redis.names.viewLinks(hash)
    return withStorageErrors(() => retryWithoutWrongTypes(redis, { [links]: 'hash' }, () => work(links)))
  }
  const extend: ViewLinks['extend'] = ({ hash, expires_at }) =>
    onLinks(hash, async (links) => {
      await redis.pexpireat(links, Date.parse(expires_at) + ttlSeconds * 1000)
    })

  function hashOf(token: string): string | null {
    if (!isViewToken(token)) return null
    const hash = decrypt(key(), Buffer.from(token.slice(PREFIX.length), 'base64url'), CONTEXT)?.toString()
    return isRequestHash(hash) ? hash : null
  }

  return {
    hashOf,
    extend,
    async create(view) {
      const token = PREFIX + encrypt(key(), Buffer.from(view.hash), CONTEXT).toString('base64url')
      const [, count] = await onLinks(view.hash, (links) =>
        Promise.all([redis.hset(links, fieldOf(token), '1'), redis.hlen(links)]),
      )
      await extend(view)
      if (count <= MAX_VIEW_LINKS) return token
      await onLinks(view.hash, (links) => redis.hdel(links, fieldOf(token)))
      throw new AppError('validation_failed', {
        detail: `A request has at most ${MAX_VIEW_LINKS} links: end one of them first.`,
      })
    },
    async isOpen(token) {
      const hash = hashOf(token)
      return hash !== null && (await onLinks(hash, (links) => redis.hexists(links, fieldOf(token)))) === 1
    },
    isShared: async (hash) => (await onLinks(hash, (links) => redis.hlen(links))) > 0,
    async remove(hash, token) {
      const work = (links: string) =>
        token === undefined ? redis.del(links) : redis.hdel(links, fieldOf(token))
      return (await onLinks(hash, work)) > 0
    },
  }
}
