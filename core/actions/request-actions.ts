/** What is done with a request that exists: look at it, cancel it, hand over a code, ask for another. */
import { nanoid } from 'nanoid'
import type { Service } from '../catalog/define-service.ts'
import { findService } from '../catalog/index.ts'
import type { Command } from '../domain/command.ts'
import { otpFault } from '../domain/digits.ts'
import { AppError } from '../domain/errors.ts'
import { type PublicView, type RequestRecord, toPublicView } from '../domain/record.ts'
import { isRequestHash, notFoundOrExpired } from '../domain/request-id.ts'
import { createQueuePlaces } from '../queue/queue-positions.ts'
import type { Queues } from '../queue/queues.ts'
import type { RequestStore, StoredRecord } from '../store/request-store.ts'
import type { SubjectCount, Subjects } from '../store/subject-limits.ts'

export interface RequestActions {
  /** @throws AppError `request_not_found`, `request_expired`, `storage_unavailable`, like all of these */
  view(hash: string): Promise<PublicView>
  /** @throws AppError `already_final` */
  cancel(hash: string, by?: 'user' | 'operator'): Promise<PublicView>
  /**
   * @param otp as typed, digits of any keyboard
   * @throws AppError `otp_not_expected`, `already_final`, `invalid_otp` (costs no try), `otp_expired`, `otp_attempts_exhausted`,
   * `subject_limit_reached` with `retryAfterSeconds`
   */
  submitOtp(hash: string, otp: string): Promise<PublicView>
  /** @throws AppError `otp_not_expected`, `already_final`, `resend_not_yet` with `retryAfterSeconds`, `resend_exhausted`, `subject_limit_reached` likewise */
  resendOtp(hash: string): Promise<PublicView>
}

export function createRequestActions({
  store,
  queues,
  subjects,
  ttlSeconds,
  now = Date.now,
}: {
  store: RequestStore
  queues: Queues
  subjects: Subjects
  ttlSeconds: number
  now?: () => number
}): RequestActions {
  const places = createQueuePlaces({ queues, now })

  async function read(hash: string): Promise<StoredRecord> {
    // What is no hash must not become the name of some other key.
    if (!isRequestHash(hash)) throw new AppError('request_not_found')
    const stored = await store.read(hash)
    if (!stored) throw notFoundOrExpired(hash, now(), ttlSeconds)
    return stored
  }

  async function apply(
    hash: string,
    change: Command,
    options?: Parameters<RequestStore['apply']>[2],
  ): Promise<RequestRecord> {
    if (!isRequestHash(hash)) throw new AppError('request_not_found')
    const outcome = await store.apply(hash, change, options)
    if (outcome.ok) return outcome.stored.record
    if (outcome.refusal === 'request_not_found') throw notFoundOrExpired(hash, now(), ttlSeconds)
    throw new AppError(outcome.refusal, {
      ...(outcome.refusal === 'resend_not_yet' &&
        outcome.stored && { retryAfterSeconds: secondsUntilResend(outcome.stored, now()) }),
      ...(change.type === 'submit_otp' &&
        outcome.refusal === 'invalid_otp' && {
          detail: otpFault(change.otp, outcome.stored?.record.otp_data?.length ?? null) ?? undefined,
        }),
    })
  }

  /** Does what counts for the person who is asked, unless they have had too much of it. */
  async function applyCounted(
    count: SubjectCount,
    hash: string,
    id: string,
    change: Command,
  ): Promise<RequestRecord> {
    let reservedFor: string | undefined
    const reserve = async ({ subject }: RequestRecord): Promise<void> => {
      if (subject === undefined) return
      await subjects.reserve(count, subject, id)
      reservedFor = subject
    }
    try {
      return await apply(hash, change, { reserve })
    } catch (error) {
      // Where Redis did not answer, it may have been done.
      const mayBeDone = error instanceof AppError && error.code === 'storage_unavailable'
      if (reservedFor !== undefined && !mayBeDone)
        await subjects.release(count, reservedFor, id).catch(() => {})
      throw error
    }
  }

  /** The record has said it already: what the queue does not hear of, it finds out when the job's time comes. */
  async function notifyQueue(
    { service_slug }: RequestRecord,
    tell: (service: Service) => Promise<void>,
  ): Promise<void> {
    const service = findService(service_slug)
    if (service) await tell(service).catch(() => {})
  }

  /** A bot that does not wait with its call open has to be called again. */
  async function resumeJob(record: RequestRecord): Promise<void> {
    if (!record.otp_data?.recall) return
    await notifyQueue(record, (service) => queues.promote(record, service))
  }

  return {
    async view(hash) {
      const { record } = await read(hash)
      // The place in the queue is a courtesy: without it the view is still right.
      const place = await places.read({ ...record, run_at: record.run_at ?? null }).catch(() => null)
      return toPublicView(record, now(), place)
    },

    async cancel(hash, by = 'user') {
      const record = await apply(hash, { type: 'cancel', by })
      await notifyQueue(record, ({ queue }) => queues.remove(hash, queue))
      return toPublicView(record, now())
    },

    async submitOtp(hash, otp) {
      const tryId = nanoid()
      const record = await applyCounted('tries', hash, tryId, { type: 'submit_otp', otp, tryId })
      await resumeJob(record)
      return toPublicView(record, now())
    },

    async resendOtp(hash) {
      const record = await applyCounted('codes', hash, nanoid(), { type: 'resend_otp' })
      await resumeJob(record)
      return toPublicView(record, now())
    },
  }
}

/** Never 0: who waits that long must not be turned down again. */
const secondsUntilResend = ({ record }: StoredRecord, now: number): number =>
  Math.max(1, Math.ceil((Date.parse(record.otp_data?.resend_available_at ?? '') - now) / 1000) || 1)
