/**
 * Sends a failed request again: as a new one, of the same person, with what they sent, linked to the old one by
 * `retry_of`. Only while the old one's record lives, for nothing of what people sent outlives that; and only once.
 */

import type { Catalog } from '../catalog/catalog.ts'
import type { Service } from '../catalog/service-definition.ts'
import { createRecord } from '../domain/create-record.ts'
import { AppError } from '../domain/errors.ts'
import type { RequestRecord } from '../domain/record.ts'
import { createRequestHash } from '../domain/request-id.ts'
import type { FailedRequests } from '../store/failed-requests.ts'
import type { RequestStore } from '../store/request-store.ts'
import type { EnqueueRequest } from './enqueue-request.ts'

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
    }

export function createRetry({
  store,
  failures,
  enqueue,
  catalog,
  ttlSeconds,
  now = Date.now,
}: {
  store: Pick<RequestStore, 'read'>
  failures: FailedRequests
  enqueue: EnqueueRequest
  catalog: Pick<Catalog, 'find'>
  ttlSeconds: number
  now?: () => number
}) {
  /** @throws AppError `storage_unavailable`, `unreadable_record` */
  return async (hash: string): Promise<RetryResult> => {
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
    if (claimed !== mine && (await store.read(claimed))) return { ok: false, hash, reason: 'already_retried' }
    try {
      await enqueue(copyForRetry(record, claimed, service), service)
    } catch (error) {
      if (!(error instanceof AppError) || error.code !== 'subject_limit_reached') throw error
      return { ok: false, hash, reason: error.code }
    }
    return { ok: true, hash, retried_as: claimed }
  }

  function copyForRetry(failed: RequestRecord, hash: string, service: Service): RequestRecord {
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
      now: now(),
      ttlSeconds,
    })
  }
}

/** Secrets are deleted when the work ends. */
const lacksSecret = ({ request_data }: RequestRecord, { fields }: Service): boolean =>
  fields.some(
    ({ name, type, required }) => type === 'secret' && required && !Object.hasOwn(request_data, name),
  )
