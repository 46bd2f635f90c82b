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
 * Idempotent. Safe to call again for a record whose creator crashed halfway. Takes 2 round trips, in a Cluster 3: limits
 * and round; record, job and position.
 *
 * @param counted is awaited together with the limits; when it rejects, nothing is stored
 * @returns the position in the queue, 1 is next; null for a scheduled request
 * @throws AppError `too_many_unfinished`, `queue_full`, `subject_limit_reached` before anything is stored;
 * `storage_unavailable`, or an error of Redis
 */
export type EnqueueRequest = (
  record: RequestRecord,
  service: Pick<Service, 'queue' | 'priority' | 'subject'>,
  counted?: Promise<void>,
) => Promise<number | null>

export interface EnqueueDeps {
  store: Pick<RequestStore, 'create'>
  queues: Pick<Queues, 'prepare'>
  subjectLimiter: Pick<SubjectLimiter, 'reserve' | 'release'>
  sessionRequests: Pick<SessionRequests, 'add'>
  /** Without it, unfinished requests are not limited. */
  unfinishedLimiter?: UnfinishedLimiter
}

export const createEnqueueRequest =
  (dependencies: EnqueueDeps): EnqueueRequest =>
  async (record, service, counted) => {
    const { queues, store, sessionRequests } = dependencies
    // A round of a request that is refused is free again after two seconds.
    const preparing = queues.prepare(record, service)
    await reserveLimits(dependencies, record, service.subject, [counted, preparing])
    const addJob = await preparing
    // The record first: a worker must never take a job without one. The job is added even if the record exists, because
    // its creator may have crashed in between; BullMQ adds the same id only once.
    return addJob(Promise.all([store.create(record), sessionRequests.add(record)]))
  }

/** Reserves all limits at the same time, beside `others`. Where one of these is reached or rejects, the reserved are released. */
async function reserveLimits(
  { subjectLimiter, unfinishedLimiter }: EnqueueDeps,
  record: RequestRecord,
  subjectField: string | undefined,
  others: readonly (Promise<unknown> | undefined)[],
): Promise<void> {
  const { subject, hash } = record
  const at = Date.parse(record.run_at ?? record.created_at)
  const [unfinished, code, ...rest] = await Promise.allSettled([
    unfinishedLimiter?.reserve(record),
    // A bot has the code sent before it asks for it, so the limit is checked now.
    subject === undefined ? undefined : subjectLimiter.reserve('codes', subject, hash, at),
    ...others,
  ])
  const failed = [...rest, unfinished, code].find(({ status }) => status === 'rejected')
  if (!failed) return
  if (code.status === 'fulfilled' && subject !== undefined)
    await subjectLimiter.release('codes', subject, hash).catch(() => {})
  // Unless it is reached, which reserves nothing. What has failed may have been done all the same.
  if (!(unfinished.status === 'rejected' && unfinished.reason instanceof AppError))
    await unfinishedLimiter?.release(record).catch(() => {})
  const { reason } = failed as PromiseRejectedResult
  throw failed === code ? withField(reason, subjectField) : reason
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
