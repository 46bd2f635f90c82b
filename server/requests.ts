/** What people and programs do with a request that exists: look at it, cancel it, hand over a code, ask for another. */
import { plainNumber } from '../core/digits.ts'
import { AppError } from '../core/errors.ts'
import { isHash } from '../core/hash.ts'
import type { Change } from '../core/lifecycle.ts'
import { isFinal, type PublicView, publicView, type RequestRecord } from '../core/record.ts'
import { missing } from '../core/redis/live-requests.ts'
import type { Queues } from '../core/redis/queues.ts'
import type { RequestStore, Stored } from '../core/redis/request-store.ts'
import { findService } from '../core/services/index.ts'
import type { Service } from '../core/services/service.ts'
import { isOfSession } from './ownership.ts'

export interface Requests {
  /** @throws AppError `request_not_found`, `request_expired`, `storage_unavailable`, like all of these */
  view(hash: string): Promise<PublicView>
  /**
   * What this browser session once typed into the form of this service, in its plain form. Whoever else knows the hash
   * learns nothing of it, whatever OWNER_CHECK says.
   * @returns null for anybody else, and where there is no such request (any more)
   * @throws AppError `storage_unavailable`
   */
  typed(hash: string, slug: string, sessionId: string | null): Promise<Record<string, string> | null>
  /** @throws AppError `already_final` */
  cancel(hash: string): Promise<PublicView>
  /**
   * @param otp as typed, digits of any keyboard
   * @throws AppError `otp_not_expected`, `already_final`, `invalid_otp` (costs no try), `otp_expired`, `otp_attempts_exhausted`
   */
  submitOtp(hash: string, otp: string): Promise<PublicView>
  /** @throws AppError `otp_not_expected`, `already_final`, `resend_not_yet` with `retryAfterSeconds`, `resend_exhausted` */
  resendOtp(hash: string): Promise<PublicView>
}

export function createRequests({
  store,
  queues,
  ttlSeconds,
  now = Date.now,
}: {
  store: RequestStore
  queues: Queues
  ttlSeconds: number
  now?: () => number
}): Requests {
  async function read(hash: string): Promise<Stored> {
    // What is no hash must not become the name of some other key.
    if (!isHash(hash)) throw new AppError('request_not_found')
    const stored = await store.read(hash)
    if (!stored) throw missing(hash, now(), ttlSeconds)
    return stored
  }

  async function apply(hash: string, change: Change, options?: { otp: string }): Promise<RequestRecord> {
    if (!isHash(hash)) throw new AppError('request_not_found')
    const outcome = await store.apply(hash, change, options)
    if (outcome.ok) return outcome.stored.record
    if (outcome.refusal === 'request_not_found') throw missing(hash, now(), ttlSeconds)
    throw new AppError(outcome.refusal, {
      ...(outcome.refusal === 'resend_not_yet' &&
        outcome.stored && { retryAfterSeconds: untilResend(outcome.stored, now()) }),
    })
  }

  /** The record has said it already: what the queue does not hear of, it finds out when the job's time comes. */
  async function tellQueue(
    { service_slug }: RequestRecord,
    tell: (service: Service) => Promise<void>,
  ): Promise<void> {
    const service = findService(service_slug)
    if (service) await tell(service).catch(() => {})
  }

  /** A bot that does not wait with its call open has to be called again. */
  async function wake(record: RequestRecord): Promise<void> {
    if (!record.otp_data?.recall) return
    await tellQueue(record, ({ queue }) => queues.wake(record.hash, queue))
  }

  return {
    async view(hash) {
      const { record } = await read(hash)
      const queue = record.status === 'pending' ? findService(record.service_slug)?.queue : undefined
      // The place in the queue is a courtesy: without it the view is still right.
      const position = queue ? await queues.position(hash, queue).catch(() => null) : null
      return publicView(record, now(), position)
    },

    async typed(hash, slug, sessionId) {
      if (!isHash(hash) || sessionId === null) return null
      const stored = await store.read(hash).catch((error) => {
        if (error instanceof AppError && error.code === 'unreadable_record') return null
        throw error
      })
      const isTheirs = stored?.record.service_slug === slug && isOfSession(stored.record, sessionId)
      return isTheirs ? textsIn(stored.record.request_data) : null
    },

    async cancel(hash) {
      const record = await apply(hash, { type: 'cancel', by: 'user' })
      await tellQueue(record, ({ queue }) => queues.remove(hash, queue))
      return publicView(record, now())
    },

    async submitOtp(hash, otp) {
      const stored = await read(hash)
      const { status, otp_data: prompt } = stored.record
      if (isFinal(status)) throw new AppError('already_final')
      if (status !== 'otp_required' || !prompt) throw new AppError('otp_not_expected')
      const code = readCode(otp, prompt.length)
      const record = await apply(hash, { type: 'submit_otp' }, { otp: code })
      await wake(record)
      return publicView(record, now())
    },

    async resendOtp(hash) {
      const record = await apply(hash, { type: 'resend_otp' })
      await wake(record)
      return publicView(record, now())
    },
  }
}

/** Another program may have put anything there; forms ask for text. */
const textsIn = (data: Record<string, unknown>): Record<string, string> =>
  Object.fromEntries(
    Object.entries(data).filter((each): each is [string, string] => typeof each[1] === 'string'),
  )

/** Refused at the door, without costing a try: the detail says which rule, never what was typed. */
function readCode(typed: string, length: number | null): string {
  const code = plainNumber(typed)
  if (!/^\d+$/.test(code)) throw new AppError('invalid_otp', { detail: 'The code has digits only.' })
  if (length !== null && code.length !== length) {
    throw new AppError('invalid_otp', { detail: `The code has ${length} digits; you typed ${code.length}.` })
  }
  if (length === null && (code.length < 3 || code.length > 12)) {
    throw new AppError('invalid_otp', { detail: 'A code has 3 to 12 digits.' })
  }
  return code
}

/** Never 0: who waits that long must not be turned down again. */
const untilResend = ({ record }: Stored, now: number): number =>
  Math.max(1, Math.ceil((Date.parse(record.otp_data?.resend_available_at ?? '') - now) / 1000) || 1)
