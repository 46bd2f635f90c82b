/**
 * The pictures of questions, each in a key beside its record: a record is read and published far more often than its picture
 * is shown. The picture is there before the question is, and it expires with the question.
 */
import { type Image, parseImage } from '../catalog/image.ts'
import { MAX_QUESTION_IMAGE_BYTES } from '../catalog/question.ts'
import { otpWaitEndsAt } from '../domain/deadline.ts'
import type { RequestRecord } from '../domain/record.ts'
import type { RedisClient } from '../redis/connect.ts'
import { retryWithoutWrongTypes } from '../redis/wrong-type.ts'

/** Moves the picture of a new question out of the record. */
export async function storeImage(redis: RedisClient, record: RequestRecord): Promise<RequestRecord> {
  const { hash, otp_data: prompt } = record
  if (prompt?.image === undefined) return record
  const { image, ...rest } = prompt
  const key = redis.names.image(hash)
  const expiresAt = Math.min(otpWaitEndsAt(prompt), Date.parse(record.expires_at))
  await redis.set(key, redis.box.seal(key, `${prompt.id} ${image}`), 'PXAT', expiresAt)
  return { ...record, otp_data: { ...rest, has_image: true } }
}

/** @param id of the question; null when the picture is another one's, or has expired */
export async function findImage(redis: RedisClient, hash: string, id: string): Promise<Image | null> {
  const key = redis.names.image(hash)
  const stored = await retryWithoutWrongTypes(redis, { [key]: 'string' }, () => redis.get(key))
  const opened = stored === null ? null : redis.box.open(key, stored)
  return opened?.startsWith(`${id} `)
    ? parseImage(opened.slice(id.length + 1), MAX_QUESTION_IMAGE_BYTES)
    : null
}
