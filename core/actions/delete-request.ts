/** Removes a request that has ended, with its job, before its time. */
import type { Catalog } from '../catalog/catalog.ts'
import { AppError } from '../domain/errors.ts'
import { isFinal } from '../domain/record.ts'
import type { Queues } from '../queue/queues.ts'
import type { RedisClient } from '../redis/connect.ts'
import { createFailedRequests } from '../store/failed-requests.ts'
import { removeRequest } from '../store/request-removal.ts'
import type { RequestStore } from '../store/request-store.ts'
import { createSessionRequests } from '../store/session-requests.ts'
import { withStorageErrors } from '../store/storage-errors.ts'

/** @throws AppError `not_final`, `request_not_found`, `request_expired`, `storage_unavailable` */
export type DeleteRequest = (hash: string) => Promise<void>

export function createDeleteRequest({
  redis,
  store,
  queues,
  catalog,
  ttlSeconds,
  now,
}: {
  redis: RedisClient
  store: Pick<RequestStore, 'get' | 'read'>
  queues: Pick<Queues, 'erase'>
  catalog: Pick<Catalog, 'find'>
  ttlSeconds: number
  now: () => number
}): DeleteRequest {
  const failures = createFailedRequests({ redis, now })
  const sessionRequests = createSessionRequests({ redis, now })

  return async (hash) => {
    const { record } = await store.get(hash)
    if (!isFinal(record.status))
      throw new AppError('not_final', { detail: `The request is ${record.status}.` })
    const queue = record.queue ?? catalog.find(record.service_slug)?.queue.name
    await withStorageErrors(async () => {
      if (queue !== undefined) await queues.erase(hash, { name: queue })
      await removeRequest({ redis, failures, sessionRequests, ttlSeconds }, record)
      // Of this process, in which it may be cached.
      await store.read(hash)
    })
  }
}
