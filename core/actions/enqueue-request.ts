/** Enqueues a new request: its record with list entry and first check, then its job. */

import type { Service } from '../catalog/define-service.ts'
import { AppError } from '../domain/errors.ts'
import type { RequestRecord } from '../domain/record.ts'
import type { Queues } from '../queue/queues.ts'
import type { RequestStore } from '../store/request-store.ts'
import type { Subjects } from '../store/subject-limits.ts'

/**
 * Idempotent. Safe to call again for a record whose creator crashed halfway.
 *
 * @throws AppError `subject_limit_reached` before anything is done, `storage_unavailable`, or what Redis said
 */
export type EnqueueRequest = (
  record: RequestRecord,
  service: Pick<Service, 'queue' | 'priority' | 'subject'>,
) => Promise<void>

export const createEnqueueRequest =
  ({
    store,
    queues,
    subjects,
  }: {
    store: Pick<RequestStore, 'create'>
    queues: Pick<Queues, 'add'>
    subjects: Pick<Subjects, 'reserve'>
  }): EnqueueRequest =>
  async (record, service) => {
    // A bot has the code sent before it asks for it, so the limit is checked now.
    if (record.subject !== undefined) {
      const at = Date.parse(record.run_at ?? record.created_at)
      await subjects.reserve('codes', record.subject, record.hash, at).catch(namingField(service.subject))
    }
    // The record first: a worker must never take a job without one. The job is added even if the record exists, because
    // its creator may have crashed in between; BullMQ adds the same id only once.
    await store.create(record)
    await queues.add(record, service)
  }

/** For a form, a refusal is what is wrong with a field. */
const namingField =
  (field = '') =>
  (error: unknown): never => {
    if (!(error instanceof AppError) || error.code !== 'subject_limit_reached') throw error
    const minutes = Math.ceil((error.retryAfterSeconds ?? 0) / 60)
    throw new AppError(error.code, {
      detail: error.detail,
      retryAfterSeconds: error.retryAfterSeconds,
      errors: [{ field, code: error.code, params: { minutes } }],
    })
  }
