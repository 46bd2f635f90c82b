/**
 * When the job of a request runs. A request that waits (for its scheduled time, its next attempt, a code) is a delayed
 * job of BullMQ; the record says until when.
 */
import { DelayedError } from 'bullmq'
import type { Service } from '../core/catalog/service-definition.ts'
import { nextRunAt } from '../core/domain/deadline.ts'
import { isFinal, type RequestRecord } from '../core/domain/record.ts'
import type { RequestJob } from '../core/queue/bullmq.ts'
import type { Queues } from '../core/queue/queues.ts'
import type { RequestStore } from '../core/store/request-store.ts'

export interface JobScheduleDeps {
  store: RequestStore
  queues: Pick<Queues, 'requeueFairly'>
  /** Milliseconds since 1970, by the clock of the records. */
  now: () => number
}

export interface JobSchedule {
  /**
   * Moves the job to the delayed ones, any number of times: no counter of BullMQ is touched.
   *
   * @param until milliseconds since 1970, by the clock of the records
   * @throws DelayedError always, which tells BullMQ that the job has been moved
   */
  delay(job: RequestJob, record: RequestRecord, until: number): Promise<never>
  /** @throws DelayedError unless the request is due now */
  delayUnlessDue(job: RequestJob, record: RequestRecord, service: Service): Promise<void>
}

/** Timers fire up to this early. A job that is earlier was delayed by a machine whose clock is wrong. */
const EARLY_MS = 250

export function createJobSchedule({ store, queues, now }: JobScheduleDeps): JobSchedule {
  async function delay(
    job: RequestJob,
    { hash, status, expires_at }: RequestRecord,
    until: number,
  ): Promise<never> {
    // The job runs when its record expires at the latest: it finds none then, and is removed.
    const remainingMs = Math.min(until, Date.parse(expires_at)) - now()
    // A started request goes ahead of those not started; one that is not started keeps its fair-share priority.
    if (job.priority && status !== 'pending') await job.changePriority({ priority: 0 })
    // BullMQ compares with this machine's clock: if that is wrong, another machine gets the job too early or too late.
    await job.moveToDelayed(Date.now() + remainingMs, job.token)
    // The code was submitted, a resend requested or the request cancelled before there was a delayed job to promote.
    const latest = (await store.read(hash))?.record
    const dueAt = latest && !isFinal(latest.status) ? nextRunAt(latest) : null
    if (dueAt === null || dueAt < until - EARLY_MS) await job.promote().catch(() => {})
    throw new DelayedError()
  }

  return {
    delay,
    async delayUnlessDue(job, record, service) {
      const isPending = record.status === 'pending'
      const dueAt = nextRunAt(record)
      // A scheduled request was promised not to start before its time.
      if (dueAt !== null && now() < dueAt - (isPending ? 0 : EARLY_MS)) return delay(job, record, dueAt)
      if (record.run_at && isPending && !job.priority) {
        // A scheduled job has no fair-share priority yet: its round was unknown when it was added.
        await queues.requeueFairly(job, record, service)
        await job.moveToDelayed(Date.now(), job.token)
        throw new DelayedError()
      }
    },
  }
}
