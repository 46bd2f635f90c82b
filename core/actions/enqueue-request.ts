/** Takes a new request in: its record, somebody who looks after it, its job. */

import type { Service } from '../catalog/define-service.ts'
import { AppError } from '../domain/errors.ts'
import type { RequestRecord } from '../domain/record.ts'
import type { Queues } from '../queue/queues.ts'
import { type DeadlineIndex, FIRST_CHECK_MS } from '../store/deadline-index.ts'
import type { RequestStore } from '../store/request-store.ts'
import type { Subjects } from '../store/subject-limits.ts'

/**
 * Does nothing that was done before: whoever began with this record may have died.
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
    deadlines,
    queues,
    subjects,
  }: {
    store: Pick<RequestStore, 'create'>
    deadlines: Pick<DeadlineIndex, 'schedule'>
    queues: Pick<Queues, 'add'>
    subjects: Pick<Subjects, 'reserve'>
  }): EnqueueRequest =>
  async (record, service) => {
    // A bot has a code sent long before it asks for it: whether it may has to be known now.
    if (record.subject !== undefined) {
      const at = Date.parse(record.run_at ?? record.created_at)
      await subjects.reserve('codes', record.subject, record.hash, at).catch(namingField(service.subject))
    }
    // The record comes first: a worker must never meet a job without one. A job whose record exists already is added
    // again, since whoever made the record may have died before; BullMQ takes the same id only once.
    await Promise.all([
      deadlines.schedule(record.hash, Date.parse(record.run_at ?? record.created_at) + FIRST_CHECK_MS),
      store.create(record),
    ])
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
