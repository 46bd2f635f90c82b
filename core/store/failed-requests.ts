/**
 * Failed requests, for operators: which, when, why, after how many attempts. Only the error's code, message key and cause
 * outlive the record: neither form data nor a bot's message, which may contain it.
 */

import type { RequestRecord } from '../domain/record.ts'
import type { FailureCause } from '../domain/request-failure.ts'
import type { RedisClient } from '../redis/connect.ts'
import { addFailure } from '../redis/scripts.ts'
import { retryWithoutWrongTypes } from '../redis/wrong-type.ts'
import { parseObject } from './parse-object.ts'

/** The oldest entries beyond these limits are removed. */
export const MAX_FAILED_REQUESTS = 1_000
export const FAILED_REQUEST_TTL_SECONDS = 7 * 24 * 3600

/** Stands for the hash of a retry that was removed. */
export const REMOVED = 'removed'

export interface FailedRequestEntry {
  hash: string
  service_slug: string
  /** As in `error_data`. */
  code: string
  /** The key of the failure's message. */
  message_key: string
  retryable: boolean
  /** The error behind it, where one is known. */
  cause?: FailureCause
  attempts: number
  created_at: string
  failed_at: string
}

export type FailedRequest = FailedRequestEntry & {
  /** The hash of its retry, or `REMOVED`; null when it was not retried. */
  retried_as: string | null
}

export interface FailedRequests {
  /** Adds a failed request once. Ignores other records. */
  add(record: RequestRecord): Promise<void>
  /** The newest first. */
  list(): Promise<FailedRequest[]>
  find(hash: string): Promise<FailedRequest | null>
  count(): Promise<number>
  /** Removes what names this request. One that it was a retry of stays retried, as `REMOVED`. */
  remove(record: Pick<RequestRecord, 'hash' | 'retry_of'>): Promise<void>
  /**
   * Claims the retry of a failed request under this hash.
   * @returns this hash, or that of an earlier claim; `REMOVED` when the retry was removed
   */
  claimRetry(failed: string, hash: string): Promise<string>
  /** For a retry that was claimed and not created. */
  releaseRetry(failed: string): Promise<void>
}

export function createFailedRequests({
  redis,
  now = Date.now,
}: {
  redis: RedisClient
  now?: () => number
}): FailedRequests {
  const { failed, failedEntries } = redis.names
  const onKeys = <T>(work: () => Promise<T>): Promise<T> =>
    retryWithoutWrongTypes(redis, { [failed]: 'zset', [failedEntries]: 'hash' }, work)
  const retriedAs = (hash: string): string => `${hash} retried`

  async function read(hashes: readonly string[]): Promise<FailedRequest[]> {
    if (hashes.length === 0) return []
    const found = await onKeys(() => redis.hmget(failedEntries, ...hashes, ...hashes.map(retriedAs)))
    return hashes.flatMap((_, i) => {
      const entry = parseObject<FailedRequestEntry>(found[i])
      const retried_as = found[hashes.length + i] ?? null
      return isEntry(entry) ? [{ ...entry, retried_as }] : []
    })
  }

  return {
    async add(record) {
      if (record.status !== 'failed' || !record.completed_at) return
      const code = safeCode(record.error_data?.code) ?? 'failed'
      const entry: FailedRequestEntry = {
        hash: record.hash,
        service_slug: record.service_slug,
        code,
        message_key: safeCode(record.message_key) ?? code,
        retryable: record.error_data?.retryable ?? false,
        cause: record.error_data?.cause,
        attempts: record.attempt,
        created_at: record.created_at,
        failed_at: record.completed_at,
      }
      const failure = {
        indexKey: failed,
        entriesKey: failedEntries,
        hash: record.hash,
        failedAt: Date.parse(record.completed_at),
        entry: JSON.stringify(entry),
        maxEntries: MAX_FAILED_REQUESTS,
        ttlMs: FAILED_REQUEST_TTL_SECONDS * 1000,
      }
      await onKeys(() => addFailure(redis, failure))
    },
    async list() {
      const from = now() - FAILED_REQUEST_TTL_SECONDS * 1000
      return read(await onKeys(() => redis.zrevrangebyscore(failed, '+inf', from)))
    },
    async find(hash) {
      return (await read([hash]))[0] ?? null
    },
    count: () => onKeys(() => redis.zcount(failed, now() - FAILED_REQUEST_TTL_SECONDS * 1000, '+inf')),
    async remove({ hash, retry_of }) {
      await onKeys(() =>
        Promise.all([redis.zrem(failed, hash), redis.hdel(failedEntries, hash, retriedAs(hash))]),
      )
      if (retry_of && (await redis.hget(failedEntries, retriedAs(retry_of))) === hash)
        await redis.hset(failedEntries, retriedAs(retry_of), REMOVED)
    },
    async claimRetry(hash, as) {
      const isMine = await onKeys(() => redis.hsetnx(failedEntries, retriedAs(hash), as))
      return isMine === 1 ? as : ((await redis.hget(failedEntries, retriedAs(hash))) ?? as)
    },
    releaseRetry: async (hash) => void (await redis.hdel(failedEntries, retriedAs(hash))),
  }
}

const isEntry = (given: Partial<FailedRequestEntry> | null): given is FailedRequestEntry =>
  typeof given?.hash === 'string' && typeof given.code === 'string' && typeof given.failed_at === 'string'

/** Undefined for what is no identifier: a bot may have put private data there. */
export const safeCode = (given: string | undefined): string | undefined =>
  given !== undefined && /^[a-z][\w.:-]{0,99}$/i.test(given) ? given : undefined
