/**
 * Sends a failed request again: as a new one, of the same person, with what they sent, linked to the old one by
 * `retry_of`. Only while the old one's record lives, for nothing of what people sent outlives that; and only once.
 *
 * An operator who names a request helps its person, whatever the limits of unfinished requests say. Many at once leave half
 * of each limit to people who submit meanwhile.
 */

import type { Catalog } from '../catalog/catalog.ts'
import type { Service } from '../catalog/service-definition.ts'
import { createRecord } from '../domain/create-record.ts'
import { AppError, type ErrorCode } from '../domain/errors.ts'
import type { RequestRecord } from '../domain/record.ts'
import { createRequestHash } from '../domain/request-id.ts'
import type { RedisClient } from '../redis/connect.ts'
import { type FailedRequests, REMOVED } from '../store/failed-requests.ts'
import { createMemoryLimit } from '../store/memory-limit.ts'
import type { RequestStore } from '../store/request-store.ts'
import {
  createUnfinishedLimiter,
  type UnfinishedLimiter,
  type UnfinishedLimits,
} from '../store/unfinished-limits.ts'
import { createEnqueueRequest, type EnqueueDeps } from './enqueue-request.ts'

export type RetryResult =
  | { ok: true; hash: string; retried_as: string }
  | {
      ok: false
      hash: string
      reason:
        | 'not_found'
        | 'not_failed'
        | 'data_deleted'
        | 'already_retried'
        | 'unknown_service'
        | 'subject_limit_reached'
        /** Half of the places of its queue, or of all, are taken. */
        | 'no_room'
        | 'too_many_unfinished'
    }

/** Whether it was named by an operator, or is one of all that have failed. */
export type RetryScope = 'one' | 'all'
export type Retry = (hash: string, scope: RetryScope) => Promise<RetryResult>

/** Of each limit of unfinished requests, for retries of all that have failed. */
const SHARE_OF_ALL = 0.5
const REASONS: Partial<Record<ErrorCode, (RetryResult & { ok: false })['reason']>> = {
  subject_limit_reached: 'subject_limit_reached',
  too_many_unfinished: 'too_many_unfinished',
  queue_full: 'no_room',
}

export function createRetry({
  redis,
  store,
  failures,
  catalog,
  limits,
  ttlSeconds,
  now = Date.now,
  ...parts
}: Omit<EnqueueDeps, 'store' | 'unfinishedLimiter'> & {
  redis: RedisClient
  store: Pick<RequestStore, 'read' | 'create'>
  failures: FailedRequests
  catalog: Pick<Catalog, 'find'>
  limits: UnfinishedLimits
  ttlSeconds: number
  now?: () => number
}): Retry {
  const limiterWithin = (share: number): UnfinishedLimiter =>
    createUnfinishedLimiter({ redis, limits: shareOf(limits, share), ttlSeconds, now })
  const limiters = { one: limiterWithin(Number.POSITIVE_INFINITY), all: limiterWithin(SHARE_OF_ALL) }
  const memoryLimit = createMemoryLimit(redis)

  /** @throws AppError `storage_unavailable`, `unreadable_record` */
  return async (hash, scope) => {
    const record = (await store.read(hash))?.record
    if (!record)
      return { ok: false, hash, reason: (await failures.find(hash)) ? 'data_deleted' : 'not_found' }
    if (record.status !== 'failed') return { ok: false, hash, reason: 'not_failed' }
    const service = catalog.find(record.service_slug)
    if (!service) return { ok: false, hash, reason: 'unknown_service' }
    if (lacksSecret(record, service)) return { ok: false, hash, reason: 'data_deleted' }

    await failures.add(record)
    const mine = createRequestHash(now())
    const claimed = await failures.claimRetry(hash, mine)
    // A claim without a request: its creator crashed, so the request is created now.
    if (claimed === REMOVED || (claimed !== mine && (await store.read(claimed))))
      return { ok: false, hash, reason: 'already_retried' }
    try {
      if (scope === 'all') memoryLimit.admit()
      const isNew = await enqueue(
        copyForRetry(record, claimed, service, { now: now(), ttlSeconds }),
        service,
        limiters[scope],
      )
      // Another call, which runs at the same time, has created it.
      if (!isNew) return { ok: false, hash, reason: 'already_retried' }
    } catch (error) {
      const reason = error instanceof AppError ? REASONS[error.code] : undefined
      if (!reason) throw error
      // It stays one that can be sent again.
      if (claimed === mine) await failures.releaseRetry(hash)
      return { ok: false, hash, reason }
    }
    return { ok: true, hash, retried_as: claimed }
  }

  /** @returns false when there was this request already; its job is added all the same */
  async function enqueue(
    copy: RequestRecord,
    service: Service,
    unfinishedLimiter: UnfinishedLimiter,
  ): Promise<boolean> {
    let isNew = false
    const create = async (record: RequestRecord): Promise<boolean> => {
      isNew = await store.create(record)
      return isNew
    }
    await createEnqueueRequest({ ...parts, store: { create }, unfinishedLimiter })(copy, service)
    return isNew
  }
}

function copyForRetry(
  failed: RequestRecord,
  hash: string,
  service: Service,
  { now, ttlSeconds }: { now: number; ttlSeconds: number },
): RequestRecord {
  return createRecord({
    hash,
    service,
    requestData: failed.request_data,
    sessionId: failed.session_id,
    ownerHash: failed.owner_hash,
    userId: failed.user_id,
    submitter: failed.submitter,
    subject: failed.subject,
    priority: failed.priority,
    retryOf: failed.hash,
    now,
    ttlSeconds,
  })
}

function shareOf(limits: UnfinishedLimits, share: number): UnfinishedLimits {
  const part = (limit: number): number => Math.min(Number.MAX_SAFE_INTEGER, Math.ceil(limit * share))
  return {
    maxUnfinished: part(limits.maxUnfinished),
    maxUnfinishedPerQueue: part(limits.maxUnfinishedPerQueue),
    maxUnfinishedPerSubmitter: part(limits.maxUnfinishedPerSubmitter),
  }
}

/** Secrets are deleted when the work ends. */
const lacksSecret = ({ request_data }: RequestRecord, { fields }: Service): boolean =>
  fields.some(
    ({ name, type, required }) => type === 'secret' && required && !Object.hasOwn(request_data, name),
  )
