/**
 * Limits per subject: the person whose phone receives the codes. Anyone who knows a number could have codes sent to it by
 * many requests, so codes and wrong tries are counted for the number itself, over all requests of the installation.
 *
 * The window is a sliding hour. A code is reserved before it is sent, a try before the code is handed over, each by one
 * script, so that concurrent requests cannot exceed the limit. Unused reservations are released. A rejected reservation
 * does not count, so it never prolongs the wait.
 */

import { nanoid } from 'nanoid'
import type { Service } from '../catalog/service-definition.ts'
import { AppError } from '../domain/errors.ts'
import { isFinal, type RequestRecord } from '../domain/record.ts'
import type { RedisClient } from '../redis/connect.ts'
import type { InstallationSecret } from '../redis/installation-secret.ts'
import { reserveInWindow } from '../redis/scripts.ts'
import type { Config } from '../runtime/config.ts'
import { earlyTryId } from './early-codes.ts'

export type SubjectCount = 'codes' | 'tries'

export interface SubjectLimiter {
  /**
   * @param id names the reservation; the same one twice counts once
   * @param at when it counts, milliseconds; now when left out
   * @throws AppError `subject_limit_reached` with `retryAfterSeconds`
   */
  reserve(count: SubjectCount, subject: string, id: string, at?: number): Promise<void>
  release(count: SubjectCount, subject: string, id: string): Promise<void>
}

const WINDOW_MS = 3_600_000
/** 128 bits in base64url. */
const DIGEST_LENGTH = 22

export function createSubjectLimiter({
  redis,
  limits,
  now = Date.now,
  onLimit,
}: {
  redis: RedisClient
  limits: Config['server']['subjectLimits']
  now?: () => number
  /** Called when the limit is reached. */
  onLimit?: (limit: 'subject') => void
}): SubjectLimiter {
  const maxPerHour = { codes: limits.codesPerHour, tries: limits.wrongCodesPerHour }
  return {
    async reserve(count, subject, id, at = now()) {
      const freeAt = await reserveInWindow(redis, {
        key: redis.names.subject(count, subject),
        id,
        at,
        now: now(),
        windowMs: WINDOW_MS,
        maxPerHour: maxPerHour[count],
      })
      if (freeAt === 0) return
      onLimit?.('subject')
      const seconds = Math.max(1, Math.ceil((freeAt - now()) / 1000))
      const what = count === 'codes' ? 'codes were sent' : 'codes were typed wrong'
      throw new AppError('subject_limit_reached', {
        detail: `${maxPerHour[count]} ${what} within an hour, which is the most for one person.`,
        retryAfterSeconds: seconds,
      })
    },
    async release(count, subject, id) {
      await redis.zrem(redis.names.subject(count, subject), id)
    },
  }
}

/**
 * The subject as a digest, keyed with the installation's secret; undefined for a service without one. The same number is
 * the same subject in all services.
 *
 * @param data as validated, in its plain form
 */
export function subjectOf(
  { subject, fields }: Pick<Service, 'subject' | 'fields'>,
  data: Readonly<Record<string, unknown>>,
  secret: Pick<InstallationSecret, 'digest'>,
): string | undefined {
  const field = fields.find(({ name }) => name === subject)
  return field && secret.digest('subject', `${field.type}:${data[field.name]}`).slice(0, DIGEST_LENGTH)
}

/** Reserves the code that a retry will send, if the attempt before has prompted for one. False when the limit is reached. */
export async function reserveForNextAttempt(
  subjectLimiter: Pick<SubjectLimiter, 'reserve'>,
  { subject, otp_limits, hash, attempt }: RequestRecord,
): Promise<boolean> {
  if (subject === undefined || !otp_limits) return true
  try {
    await subjectLimiter.reserve('codes', subject, `${hash}:attempt:${attempt + 1}`)
    return true
  } catch (error) {
    if (error instanceof AppError && error.code === 'subject_limit_reached') return false
    throw error
  }
}

/** Counts a code that was sent without a reservation, beyond the limit too. */
export async function countCode(redis: RedisClient, subject: string, id: string, now: number): Promise<void> {
  const key = redis.names.subject('codes', subject)
  await reserveInWindow(redis, {
    key,
    id,
    at: now,
    now,
    windowMs: WINDOW_MS,
    maxPerHour: Number.MAX_SAFE_INTEGER,
  })
}

/** What a request has counted goes on to count, under names that do not contain its hash. */
export async function detachCounts(
  redis: RedisClient,
  { subject, hash }: Pick<RequestRecord, 'subject' | 'hash'>,
): Promise<void> {
  if (subject === undefined) return
  const counts: SubjectCount[] = ['codes', 'tries']
  for (const key of counts.map((count) => redis.names.subject(count, subject))) {
    const found = await redis.zrange(key, '0', '-1', 'WITHSCORES')
    for (let i = 0; i < found.length; i += 2) {
      const [id = '', score = ''] = found.slice(i, i + 2)
      if (id.startsWith(hash)) await redis.multi().zrem(key, id).zadd(key, score, nanoid()).exec()
    }
  }
}

/** Releases what a final request reserved and did not use: its code, if none can have been sent, and the correct try. */
export async function releaseUnused(redis: RedisClient, record: RequestRecord): Promise<void> {
  const { subject, status, hash, attempt, otp_limits } = record
  if (subject === undefined || !isFinal(status)) return
  // A request that was cancelled during an attempt may have had a code sent before the bot prompted for it.
  if (!otp_limits && (status !== 'cancelled' || attempt === 0))
    await redis.zrem(redis.names.subject('codes', subject), hash)
  if (!otp_limits) await redis.zrem(redis.names.subject('tries', subject), earlyTryId(record))
  if (status === 'completed' && otp_limits?.last_try)
    await redis.zrem(redis.names.subject('tries', subject), otp_limits.last_try)
}
