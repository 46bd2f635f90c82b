/** What a client does with a request: view it, cancel it, answer its question, ask for another code. */
import { nanoid } from 'nanoid'
import type { Catalog } from '../catalog/catalog.ts'
import type { Image } from '../catalog/image.ts'
import type { Service } from '../catalog/service-definition.ts'
import { describeAnswerFault } from '../domain/answer.ts'
import type { Command } from '../domain/command.ts'
import { AppError } from '../domain/errors.ts'
import { kindOf } from '../domain/otp-data.ts'
import { type PublicView, type RequestRecord, toPublicView } from '../domain/record.ts'
import { isRequestHash } from '../domain/request-id.ts'
import type { TimelineEntry } from '../domain/timeline.ts'
import { withWaiting } from '../domain/waiting.ts'
import type { QueuePositions } from '../queue/queue-positions.ts'
import type { Queues } from '../queue/queues.ts'
import type { RedisClient } from '../redis/connect.ts'
import { keepResponses } from '../store/idempotency-keys.ts'
import { findImage } from '../store/question-images.ts'
import type { RequestStore, StoredRecord } from '../store/request-store.ts'
import { withStorageErrors } from '../store/storage-errors.ts'
import type { SubjectCount, SubjectLimiter } from '../store/subject-limits.ts'
import { readTimeline } from '../store/timeline.ts'
import { createDeleteRequest, type DeleteRequest } from './delete-request.ts'
import { acceptEarlyCode } from './early-code.ts'

export interface RequestActions {
  /** @throws AppError `request_not_found`, `request_expired`, `storage_unavailable`, as all of these */
  view(hash: string): Promise<PublicView>
  /** What viewers of the request saw, the oldest first. @throws AppError `storage_unavailable` */
  timeline(view: PublicView): Promise<TimelineEntry[]>
  /** @param reason of an operator, for the person. @throws AppError `already_final` */
  cancel(hash: string, by?: 'user' | 'operator', reason?: string): Promise<PublicView>
  /**
   * Submits a code or another answer. A code that comes before the question is kept for it.
   *
   * @param otp as typed, digits of any keyboard
   * @throws AppError `otp_not_expected`, `already_final`, `invalid_otp` (costs no try), `otp_expired`, `otp_attempts_exhausted`,
   * `subject_limit_reached` with `retryAfterSeconds`
   */
  submitOtp(hash: string, otp: string): Promise<PublicView>
  /** @throws AppError `otp_not_expected`, `already_final`, `resend_not_yet` with `retryAfterSeconds`, `resend_exhausted`, `subject_limit_reached` likewise */
  resendOtp(hash: string): Promise<PublicView>
  /** Keeps a request that has ended for 24 hours, once. @throws AppError `keep_not_offered`, `not_final`, `already_kept` */
  keep(hash: string): Promise<PublicView>
  /** Removes a request that has ended, and all that belongs to it. @throws AppError `not_final` */
  delete: DeleteRequest
  /** The picture of the question with this id. @throws AppError `not_found` */
  image(hash: string, id: string): Promise<Image>
}

interface Context {
  redis: RedisClient
  store: RequestStore
  queues: Queues
  queuePositions: Pick<QueuePositions, 'read'>
  subjectLimiter: SubjectLimiter
  catalog: Pick<Catalog, 'find'>
  ttlSeconds: number
  /** KEEP_LONGER. */
  keepLonger?: boolean
  now: () => number
}

export function createRequestActions({
  now = Date.now,
  ...dependencies
}: Omit<Context, 'now'> & { now?: () => number }): RequestActions {
  const context: Context = { ...dependencies, now }
  const { redis, store, queues, queuePositions, keepLonger } = context
  return {
    async view(hash) {
      // In one round trip.
      const [{ record }, botSeenAt] = await Promise.all([store.get(hash), store.lastHeartbeat(hash)])
      // Without the position the view is still right.
      const view = toPublicView(record, now(), botSeenAt)
      const waiting = await queuePositions.read(view).catch(() => null)
      return waiting ? withWaiting(view, waiting) : view
    },

    timeline: (view) => readTimeline(context.redis, view),

    async cancel(hash, by = 'user', reason) {
      const record = await apply(context, hash, { type: 'cancel', by, reason })
      await notifyQueue(context, record, ({ queue }) => queues.remove(hash, queue))
      return toPublicView(record, now())
    },

    async submitOtp(hash, otp) {
      const record = await submit(context, hash, otp).catch((error) => submitEarly(context, hash, otp, error))
      return toPublicView(record, now())
    },

    async keep(hash) {
      if (!keepLonger) throw new AppError('keep_not_offered')
      const record = await apply(context, hash, { type: 'keep' })
      const expiresAt = Date.parse(record.expires_at)
      await withStorageErrors(() =>
        Promise.all([
          keepResponses(redis, hash, expiresAt - now()),
          redis.pexpireat(redis.names.timeline(hash), expiresAt),
        ]),
      )
      return toPublicView(record, now())
    },

    delete: createDeleteRequest(context),

    async image(hash, id) {
      const { record } = await store.get(hash)
      const { otp_data: prompt, status } = record
      const isAsked = status === 'otp_required' && prompt?.has_image
      const image = isAsked ? await withStorageErrors(() => findImage(context.redis, hash, id)) : null
      if (!image) throw new AppError('not_found')
      return image
    },

    async resendOtp(hash) {
      const record = await applyCounted(context, 'codes', hash, nanoid(), { type: 'resend_otp' })
      await resumeJob(context, record)
      return toPublicView(record, now())
    },
  }
}

async function submit(
  context: Context,
  hash: string,
  otp: string,
  tryId: string = nanoid(),
): Promise<RequestRecord> {
  const record = await applyCounted(context, 'tries', hash, tryId, { type: 'submit_otp', otp, tryId })
  await resumeJob(context, record)
  return record
}

/** @param error why the code was not accepted as the answer to a question */
async function submitEarly(
  context: Context,
  hash: string,
  otp: string,
  error: unknown,
): Promise<RequestRecord> {
  if (!(error instanceof AppError) || error.code !== 'otp_not_expected') throw error
  const early = await acceptEarlyCode(context, hash, otp)
  if (early === null) throw error
  return early.submit ? submit(context, hash, early.submit.otp, early.submit.tryId) : early.record
}

/** @throws AppError with the code of the rejection */
async function apply(
  { store, now }: Context,
  hash: string,
  command: Command,
  options?: Parameters<RequestStore['apply']>[2],
): Promise<RequestRecord> {
  if (!isRequestHash(hash)) throw new AppError('request_not_found')
  const outcome = await store.apply(hash, command, options)
  if (outcome.ok) return outcome.stored.record
  const { rejection, stored } = outcome
  if (rejection === 'request_not_found') throw await store.whyMissing(hash)
  if (rejection === 'resend_not_yet' && stored)
    throw new AppError(rejection, { retryAfterSeconds: secondsUntilResend(stored, now()) })
  if (rejection === 'invalid_otp' && command.type === 'submit_otp')
    throw new AppError(rejection, {
      detail: describeAnswerFault(stored?.record.otp_data ?? {}, command.otp) ?? undefined,
    })
  throw new AppError(rejection)
}

/** Applies a command that counts for the limits of the person who is asked for codes. */
async function applyCounted(
  context: Context,
  count: SubjectCount,
  hash: string,
  id: string,
  command: Command,
): Promise<RequestRecord> {
  const { subjectLimiter } = context
  let reservedFor: string | undefined
  const reserve = async ({ subject, otp_data }: RequestRecord): Promise<void> => {
    if (subject === undefined || kindOf(otp_data ?? {}) !== 'code') return
    await subjectLimiter.reserve(count, subject, id)
    reservedFor = subject
  }
  try {
    return await apply(context, hash, command, { reserve })
  } catch (error) {
    // Where Redis did not answer, the command may have been applied.
    const mayBeApplied = error instanceof AppError && error.code === 'storage_unavailable'
    if (reservedFor !== undefined && !mayBeApplied)
      await subjectLimiter.release(count, reservedFor, id).catch(() => {})
    throw error
  }
}

/** Best effort: the record is written already, and the job reads it when its time comes. */
async function notifyQueue(
  { catalog }: Context,
  { service_slug }: RequestRecord,
  notify: (service: Service) => Promise<void>,
): Promise<void> {
  const service = catalog.find(service_slug)
  if (service) await notify(service).catch(() => {})
}

/** A bot that ended its call to wait for the code has to be called again. */
async function resumeJob(context: Context, record: RequestRecord): Promise<void> {
  if (!record.otp_data?.recall) return
  await notifyQueue(context, record, (service) => context.queues.promote(record, service))
}

/** At least 1: a client that waits that long must not be rejected again. */
const secondsUntilResend = ({ record }: StoredRecord, now: number): number =>
  Math.max(1, Math.ceil((Date.parse(record.otp_data?.resend_available_at ?? '') - now) / 1000) || 1)
