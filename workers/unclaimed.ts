/**
 * Requests of a service that this worker, or the bot it calls, does not know: while a new version is rolled out another
 * one does. Such a request is left to the others for a while, and ends only when none of them has taken it. When it was
 * first refused stands in its job, so that all workers count from the same moment.
 */
import { DelayedError } from 'bullmq'
import type { RequestRecord } from '../core/domain/record.ts'
import type { RequestJob } from '../core/queue/queues.ts'

/** For so long somebody else may take it. */
const UNCLAIMED_MS = 120_000
/** A worker that knows none of many thousand waiting requests must not do nothing but pass them on. */
const MAX_DELAY_MS = 10_000
const MIN_DELAY_MS = 1_000

export function createUnclaimed({
  minDelayMs = MIN_DELAY_MS,
  now,
}: {
  minDelayMs?: number
  now: () => number
}) {
  const sinceOf = ({ data }: RequestJob): number => data.unknown_since ?? now()

  return {
    /** Whether nobody has taken it for long enough. Counts from the first time that this is asked of a job. */
    async isOver(job: RequestJob): Promise<boolean> {
      const since = sinceOf(job)
      if (job.data.unknown_since === undefined) await job.updateData({ unknown_since: since })
      return now() - since >= UNCLAIMED_MS
    },

    /** Puts it off, longer the longer it is unclaimed. */
    async leave(job: RequestJob, token: string | undefined, { expires_at }: RequestRecord): Promise<never> {
      const delayMs = Math.min(MAX_DELAY_MS, Math.max(minDelayMs, (now() - sinceOf(job)) / 8))
      const remainingMs = Date.parse(expires_at) - now()
      await job.moveToDelayed(Date.now() + Math.min(remainingMs, delayMs * (0.5 + Math.random())), token)
      throw new DelayedError()
    },

    /** Somebody has taken it. */
    async claimed(job: RequestJob): Promise<void> {
      if (job.data.unknown_since !== undefined) await job.updateData({})
    },
  }
}
