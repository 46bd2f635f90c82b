/**
 * Requests of a service that this worker, or the bot it calls, does not know: during a rolling deploy another one does.
 * Such a request is left to the others and fails only when none of them has claimed it in time. The job stores when it was
 * first refused, so that all workers count from the same moment.
 */
import { DelayedError } from 'bullmq'
import type { RequestRecord } from '../core/domain/record.ts'
import type { RequestJob } from '../core/queue/bullmq.ts'

/** How long another worker may claim it. */
const UNCLAIMED_MS = 120_000
/** Bounds of the delay. A worker that knows none of thousands of waiting requests must not only pass them on. */
const MIN_DELAY_MS = 1_000
const MAX_DELAY_MS = 10_000

export function createUnclaimedJobs({
  minDelayMs = MIN_DELAY_MS,
  now,
}: {
  minDelayMs?: number
  now: () => number
}) {
  const unknownSince = ({ data }: RequestJob): number => data.unknown_since ?? now()

  return {
    /** Whether no worker has claimed the job in time. The time starts with the first call for this job. */
    async isTimedOut(job: RequestJob): Promise<boolean> {
      const since = unknownSince(job)
      if (job.data.unknown_since === undefined) await job.updateData({ unknown_since: since })
      return now() - since >= UNCLAIMED_MS
    },

    /** Delays the job, the longer the longer it is unclaimed. */
    async delay(job: RequestJob, { expires_at }: RequestRecord): Promise<never> {
      const delayMs = Math.min(MAX_DELAY_MS, Math.max(minDelayMs, (now() - unknownSince(job)) / 8))
      const remainingMs = Date.parse(expires_at) - now()
      const jitter = 0.5 + Math.random()
      await job.moveToDelayed(Date.now() + Math.min(remainingMs, delayMs * jitter), job.token)
      throw new DelayedError()
    },

    /** Resets the time: a worker and a bot know the service. */
    async markClaimed(job: RequestJob): Promise<void> {
      if (job.data.unknown_since !== undefined) await job.updateData({})
    },
  }
}
