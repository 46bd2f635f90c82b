/** Reads the timeline that `commit-request.lua` keeps beside a record, for as long as the record. */
import { z } from 'zod'
import { commonMessage } from '../domain/common-messages.ts'
import { messageKeySchema } from '../domain/message.ts'
import { QUESTION_KINDS } from '../domain/otp-data.ts'
import { type PublicView, STATUSES } from '../domain/record.ts'
import { MAX_STORED_ENTRIES, type TimelineEntry } from '../domain/timeline.ts'
import type { RedisClient } from '../redis/connect.ts'
import { retryWithoutWrongTypes } from '../redis/wrong-type.ts'
import { parseObject } from './parse-object.ts'
import { withStorageErrors } from './storage-errors.ts'

/** Characters of the time with which an entry begins. */
const TIME_LENGTH = 24
const entrySchema = z.object({
  at: z.iso.datetime(),
  status: z.enum(STATUSES),
  attempt: z.number(),
  step: z.string().nullable(),
  message: z.string().nullable(),
  ...messageKeySchema,
  asked: z.enum(QUESTION_KINDS).optional(),
  next_retry_at: z.iso.datetime().optional(),
  cancelled_by: z.enum(['user', 'operator', 'deadline', 'superseded']).optional(),
})

/** Empty when another program put something else there. */
function decode(text: string): TimelineEntry[] {
  const { success, data } = entrySchema.safeParse({
    ...parseObject(text.slice(TIME_LENGTH)),
    at: text.slice(0, TIME_LENGTH),
  })
  return success ? [data] : []
}

/** The oldest first. @throws AppError `storage_unavailable` */
export const readTimeline = (
  redis: RedisClient,
  { hash, created_at }: Pick<PublicView, 'hash' | 'created_at'>,
): Promise<TimelineEntry[]> =>
  withStorageErrors(async () => {
    const key = redis.names.timeline(hash)
    const stored = await retryWithoutWrongTypes(redis, { [key]: 'list' }, () =>
      redis.lrange(key, -MAX_STORED_ENTRIES, -1),
    )
    const received: TimelineEntry = {
      at: created_at,
      status: 'pending',
      attempt: 0,
      step: null,
      ...commonMessage('received'),
    }
    return [received, ...stored.flatMap(decode)]
  })
