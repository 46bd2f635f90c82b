/**
 * Codes that came before the question: a code may reach its recipient before the bot asks for it. Each is kept for a minute
 * and for the attempt that runs, and is submitted as soon as that attempt asks.
 */
import type { RequestRecord } from '../domain/record.ts'
import type { RedisClient } from '../redis/connect.ts'
import { retryWithoutWrongTypes } from '../redis/wrong-type.ts'

const EARLY_CODE_TTL_MS = 60_000

/** An attempt has at most one early code, so all that are submitted for it count as one try. */
export const earlyTryId = ({ hash, attempt }: Pick<RequestRecord, 'hash' | 'attempt'>): string =>
  `${hash}:early:${attempt}`

/** Whether a code may come now, before a question. Once the attempt has asked, the question decides. */
export const acceptsEarlyCode = ({ status, otp_data, next_retry_at }: RequestRecord): boolean =>
  status === 'processing' && otp_data === null && next_retry_at === null

/** The last one counts. */
export async function keepEarlyCode(
  redis: RedisClient,
  { hash, attempt }: RequestRecord,
  code: string,
): Promise<void> {
  const key = redis.names.earlyOtp(hash)
  await redis.set(key, redis.box.seal(key, `${attempt} ${code}`), 'PX', EARLY_CODE_TTL_MS)
}

/** Returns and removes it; null when there is none for this attempt. */
export async function takeEarlyCode(
  redis: RedisClient,
  { hash, attempt }: RequestRecord,
): Promise<string | null> {
  const key = redis.names.earlyOtp(hash)
  const stored = await retryWithoutWrongTypes(redis, { [key]: 'string' }, () => redis.getdel(key))
  const prefix = `${attempt} `
  const opened = stored === null ? null : redis.box.open(key, stored)
  return opened?.startsWith(prefix) ? opened.slice(prefix.length) : null
}
