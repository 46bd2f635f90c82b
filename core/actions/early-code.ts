/** Accepts a code before the bot asks for one: its SMS may be faster than the bot. */
import type { Catalog } from '../catalog/catalog.ts'
import { describeOtpFault, extractOtp } from '../domain/digits.ts'
import { AppError } from '../domain/errors.ts'
import type { RequestRecord } from '../domain/record.ts'
import type { RedisClient } from '../redis/connect.ts'
import { acceptsEarlyCode, earlyTryId, keepEarlyCode, takeEarlyCode } from '../store/early-codes.ts'
import type { RequestStore } from '../store/request-store.ts'
import { withStorageErrors } from '../store/storage-errors.ts'
import type { SubjectLimiter } from '../store/subject-limits.ts'

export interface EarlyCodeDeps {
  redis: RedisClient
  store: Pick<RequestStore, 'get'>
  subjectLimiter: Pick<SubjectLimiter, 'reserve'>
  catalog: Pick<Catalog, 'find'>
}

interface EarlyCode {
  record: RequestRecord
  /** A code to submit now: the bot has asked in the meantime. */
  submit?: { otp: string; tryId: string }
}

/** Null when the request accepts no early code. @throws AppError `invalid_otp`, `subject_limit_reached` */
export async function acceptEarlyCode(
  { redis, store, subjectLimiter, catalog }: EarlyCodeDeps,
  hash: string,
  typed: string,
): Promise<EarlyCode | null> {
  const { record } = await store.get(hash)
  if (!acceptsEarlyCode(record) || !catalog.find(record.service_slug)?.asks_for_code) return null
  const fault = describeOtpFault(typed, null)
  if (fault !== null) throw new AppError('invalid_otp', { detail: fault })
  const tryId = earlyTryId(record)
  if (record.subject !== undefined) await subjectLimiter.reserve('tries', record.subject, tryId)
  await withStorageErrors(() => keepEarlyCode(redis, record, extractOtp(typed, null)))
  const { record: latest } = await store.get(hash)
  if (latest.status !== 'otp_required') return { record: latest }
  const otp = await withStorageErrors(() => takeEarlyCode(redis, latest))
  return { record: latest, ...(otp !== null && { submit: { otp, tryId } }) }
}
