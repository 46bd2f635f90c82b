/**
 * Services that accept no requests: closed by an operator, or because their last requests failed with one code
 * (CLOSE_AFTER_FAILURES). The latter still tries one request a minute, and opens again once one completes.
 */
import { AppError } from '../domain/errors.ts'
import type { RedisClient } from '../redis/connect.ts'
import type { LiveControls } from './operator-controls.ts'

const TRIAL_EVERY_SECONDS = 60

export interface ServiceClosing {
  /** Call it before a request is created. @throws AppError `service_closed` */
  admit(slug: string): Promise<void>
}

export const createServiceClosing = ({
  redis,
  controls,
}: {
  redis: RedisClient
  controls: Pick<LiveControls, 'current'>
}): ServiceClosing => ({
  async admit(slug) {
    const closed = controls.current().closed.get(slug)
    if (!closed || (closed.by === 'failures' && (await claimTrial(redis, slug)))) return
    throw new AppError('service_closed', {
      detail: closed.message ?? undefined,
      retryAfterSeconds: TRIAL_EVERY_SECONDS,
    })
  },
})

/** Whether this request is the one of its minute. */
async function claimTrial(redis: RedisClient, slug: string): Promise<boolean> {
  const trial = redis.names.controls.trial(slug)
  const claimed = await redis.set(trial, '1', 'EX', TRIAL_EVERY_SECONDS, 'NX').catch(() => null)
  return claimed === 'OK'
}
