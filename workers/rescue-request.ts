/**
 * Checks one request: fails it when its time is over, even if its worker and its bot are dead, and restores its job when
 * that was never queued or has been lost.
 */
import type { Catalog } from '../core/catalog/catalog.ts'
import { nextRunAt, timesOutAt } from '../core/domain/deadline.ts'
import { isFinal, type RequestRecord } from '../core/domain/record.ts'
import { shortReference } from '../core/domain/short-reference.ts'
import type { Queues } from '../core/queue/queues.ts'
import type { Log } from '../core/runtime/log.ts'
import type { DeadlineIndex } from '../core/store/deadline-index.ts'
import type { FailedRequests } from '../core/store/failed-requests.ts'
import type { RequestStore } from '../core/store/request-store.ts'
import { OTP_EXPIRED, TIMED_OUT } from './failure-reasons.ts'

export interface RescueDeps {
  store: RequestStore
  deadlineIndex: DeadlineIndex
  queues: Pick<Queues, 'addIfMissing' | 'promote'>
  failures: Pick<FailedRequests, 'add'>
  catalog: Pick<Catalog, 'find'>
  log: Log
  /** Milliseconds since 1970, by the clock of the records. */
  now: () => number
}

/** A living worker ends its request at the deadline: what is still unfinished this much later has none. */
const SLACK_MS = 1_000
/** A worker whose clock is wrong may delay a job for too long: this much later it is promoted. */
const LATE_MS = 5_000
/** Between two checks of a running request: its deadline moves closer when the code is submitted. */
export const CHECK_AGAIN_MS = 10_000

/** @returns a function that checks one request and schedules its next check */
export function createRescue(deps: RescueDeps): (hash: string) => Promise<void> {
  const { store, deadlineIndex, queues, failures, catalog, log, now } = deps

  async function check(hash: string): Promise<void> {
    const record = (await store.read(hash))?.record
    if (record?.status === 'failed') await failures.add(record)
    if (!record || isFinal(record.status)) return deadlineIndex.remove(hash)
    const timeoutAt = timesOutAt(record) ?? Number.POSITIVE_INFINITY
    if (now() >= timeoutAt + SLACK_MS) return fail(record)
    if (record.status === 'pending') {
      const startsAt = nextRunAt(record)
      // A scheduled request needs its job only when it is due: that is soon enough to restore it.
      if (startsAt !== null && now() < startsAt) return deadlineIndex.schedule(hash, startsAt + LATE_MS)
      return restoreJob(record)
    }
    await restoreJob(record)
    await deadlineIndex.schedule(hash, Math.min(now() + CHECK_AGAIN_MS, timeoutAt + SLACK_MS))
  }

  async function fail({ hash, status }: RequestRecord): Promise<void> {
    const failure = status === 'otp_required' ? OTP_EXPIRED : TIMED_OUT
    const outcome = await store.apply(hash, { type: 'fail', ...failure })
    if (outcome.ok)
      log.warn(
        { request: shortReference(hash), reason: failure.error.code },
        'failed a request that no worker ended',
      )
    await deadlineIndex.remove(hash)
  }

  /**
   * Adds a job that was lost (between writing the record and queueing it, or by a fail-over) and promotes one that is
   * still delayed although its request is due. A job that a worker holds is left alone.
   */
  async function restoreJob(record: RequestRecord): Promise<void> {
    const service = catalog.find(record.service_slug)
    if (!service) return
    const dueAt = nextRunAt(record)
    if (record.status === 'pending' && dueAt === null) return queues.addIfMissing(record, service)
    if (dueAt === null || now() >= dueAt + LATE_MS) await queues.promote(record, service)
  }

  return check
}
