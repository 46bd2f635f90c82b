/**
 * Links with which a code is typed on another device. Each is for one question of one request and gives access to nothing
 * else. Redis holds only digests of them. A request has at most one: another one replaces it.
 */
import { randomBytes } from 'node:crypto'
import type { OtpPrompt } from '../domain/record.ts'
import { isRequestHash } from '../domain/request-id.ts'
import type { RedisClient } from '../redis/connect.ts'
import { parseObject } from './parse-object.ts'
import { withStorageErrors } from './storage-errors.ts'

/** The question that a link is for. */
export interface CodeLink {
  hash: string
  /** Its id. */
  prompt: string
}

export interface CodeLinks {
  /** @returns the token, which is stored nowhere. @throws AppError `storage_unavailable` */
  create(hash: string, prompt: Pick<OtpPrompt, 'id' | 'expires_at'>): Promise<string>
  /** Null when it is used or unknown, or its time is over. @throws AppError `storage_unavailable` */
  find(token: string): Promise<CodeLink | null>
  /** @throws AppError `storage_unavailable` */
  remove(token: string): Promise<void>
}

const PREFIX = 'code_'
const TOKEN = new RegExp(`^${PREFIX}[\\w-]{32}$`)
/** Whether a text has the form of a token, which that of a hash or an owner token never has. */
export const isCodeToken = (text: unknown): text is string => typeof text === 'string' && TOKEN.test(text)

export function createCodeLinks({ redis }: { redis: RedisClient }): CodeLinks {
  const { codeLink, linked } = redis.names
  return {
    create: (hash, { id, expires_at }) =>
      withStorageErrors(async () => {
        const token = PREFIX + randomBytes(24).toString('base64url')
        const expiresAt = Date.parse(expires_at)
        const link: CodeLink = { hash, prompt: id }
        // Before its name: the call that replaces it a moment later must find it.
        await redis.set(codeLink(token), JSON.stringify(link), 'PXAT', expiresAt)
        const swap = redis.multi().getdel(linked(hash)).set(linked(hash), codeLink(token), 'PXAT', expiresAt)
        const [before, named] = (await swap.exec()) ?? []
        if (before?.[0] ?? named?.[0]) throw before?.[0] ?? named?.[0]
        if (typeof before?.[1] === 'string') await redis.del(before[1])
        return token
      }),
    async find(token) {
      if (!isCodeToken(token)) return null
      const link = parseObject<CodeLink>(await withStorageErrors(() => redis.get(codeLink(token))))
      return isRequestHash(link?.hash) && typeof link?.prompt === 'string' ? (link as CodeLink) : null
    },
    remove: (token) =>
      withStorageErrors(async () => {
        await redis.del(codeLink(token))
      }),
  }
}

/** Ends the link of a request, if it has one. */
export async function removeCodeLink(redis: RedisClient, hash: string): Promise<void> {
  const key = await redis.getdel(redis.names.linked(hash))
  if (key !== null) await redis.del(key)
}
