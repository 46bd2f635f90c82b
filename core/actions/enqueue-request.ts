/** Enqueues a new request: reserves its limits, stores its record with list entry and first check, adds its job. */
import type { Service } from '../catalog/service-definition.ts'
import { AppError } from '../domain/errors.ts'
import type { RequestRecord } from '../domain/record.ts'
import type { Queues } from '../queue/queues.ts'
import type { RequestStore } from '../store/request-store.ts'
import type { SessionRequests } from '../store/session-requests.ts'
import type { SubjectLimiter } from '../store/subject-limits.ts'
import type { UnfinishedLimiter } from '../store/unfinished-limits.ts'

/**
 * Idempotent. Safe to call again for a record whose creator crashed halfway. Takes 3 round trips: limits; record and
 * round; job and position.
 *
 * @returns the position in the queue, 1 is next; null for a scheduled request
 * @throws AppError `too_many_unfinished`, `queue_full`, `subject_limit_reached` before anything is stored;
 * `storage_unavailable`, or an error of Redis
 */
export type EnqueueRequest = (
  record: RequestRecord,
  service: Pick<Service, 'queue' | 'priority' | 'subject'>,
) => Promise<number | null>

export interface EnqueueDeps {
  store: Pick<RequestStore, 'create'>
  queues: Pick<Queues, 'addNew'>
  subjectLimiter: Pick<SubjectLimiter, 'reserve' | 'release'>
  sessionRequests: Pick<SessionRequests, 'add'>
  /** Without it, unfinished requests are not limited. */
  unfinishedLimiter?: UnfinishedLimiter
}

export const createEnqueueRequest =
  (dependencies: EnqueueDeps): EnqueueRequest =>
  async (record, service) => {
    await reserveLimits(dependencies, record, service.subject)
    // The record first: a worker must never take a job without one. The job is added even if the record exists, because
    // its creator may have crashed in between; BullMQ adds the same id only once.
    const { queues, store, sessionRequests } = dependencies
    return queues.addNew(record, service, Promise.all([store.create(record), sessionRequests.add(record)]))
  }

/** Reserves all limits at the same time; where one is reached, the others are released. */
async function reserveLimits(
  { subjectLimiter, unfinishedLimiter }: EnqueueDeps,
  record: RequestRecord,
  subjectField: string | undefined,
): Promise<void> {
  const { subject, hash } = record
  const at = Date.parse(record.run_at ?? record.created_at)
  const [unfinished, code] = await Promise.allSettled([
    unfinishedLimiter?.reserve(record),
    // A bot has the code sent before it asks for it, so the limit is checked now.
    subject === undefined ? undefined : subjectLimiter.reserve('codes', subject, hash, at),
  ])
  if (unfinished.status === 'rejected') {
    if (code.status === 'fulfilled' && subject !== undefined)
      await subjectLimiter.release('codes', subject, hash).catch(() => {})
    throw unfinished.reason
  }
  if (code.status === 'rejected') {
    await unfinishedLimiter?.release(record).catch(() => {})
    throw withField(code.reason, subjectField)
  }
}

/** In a form, the limit of a person is an error of the field that names them. */
function withField(error: unknown, field = ''): unknown {
  if (!(error instanceof AppError) || error.code !== 'subject_limit_reached') return error
  const minutes = Math.ceil((error.retryAfterSeconds ?? 0) / 60)
  return new AppError(error.code, {
    detail: error.detail,
    retryAfterSeconds: error.retryAfterSeconds,
    errors: [{ field, code: error.code, params: { minutes } }],
  })
}
