/** What follows a failed attempt: another one, when it may help and there is time for it, or the end of the request. */

import type { Service } from '../core/catalog/define-service.ts'
import type { ServiceQueue } from '../core/catalog/queue-definitions.ts'
import type { Failure } from '../core/domain/command.ts'
import { timesOutAt } from '../core/domain/deadline.ts'
import type { RequestRecord } from '../core/domain/record.ts'
import type { Queues } from '../core/queue/queues.ts'
import type { Log } from '../core/runtime/log.ts'
import type { RequestStore } from '../core/store/request-store.ts'
import { notReachedDelayMs, retryDelayMs } from './backoff.ts'
import { BOT_UNAVAILABLE } from './failure-reasons.ts'
import type { AttemptOutcome } from './run-attempt.ts'

export interface NextTryDeps {
  store: RequestStore
  queue: ServiceQueue
  queues: Pick<Queues, 'hold'>
  /** How often a request is tried, instead of what its service says. */
  tries?: number
  log: Log
  /** Milliseconds since 1970, by the clock of the records. */
  now: () => number
}

type FailedAttempt = Exclude<AttemptOutcome, { is: 'ended' | 'waiting' }>

/** A bot that has too much to do and does not say for how long. */
const BUSY_MS = 1_000
/** What a bot says by mistake must not stop a queue for a day: after this long one request asks again. */
const HELD_AT_MOST_MS = 900_000

export function createRetryPolicy({ store, queue, queues, tries, log, now }: NextTryDeps) {
  /** When the next attempt is due and the record that says so; null when there is none. */
  async function retryOrFail(
    record: RequestRecord,
    service: Service,
    failed: FailedAttempt,
  ): Promise<{ record: RequestRecord; at: number } | null> {
    const { error, message_key, message_params } = failed
    const failure = { error, message_key, message_params }
    const counts = failed.is === 'failed'
    // It speaks for all that it is asked to do, not for this request alone.
    if (failed.is === 'not_begun' && error.code === 'bot_busy')
      await queues.hold(queue, Math.min(HELD_AT_MOST_MS, Math.max(BUSY_MS, failed.retryAfterMs)))
    // The deadline may have moved meanwhile, with a person who was being waited for.
    const known = await store.read(record.hash)
    if (!known) return null
    const at = Math.round(now() + waitMs(record, service, failed))
    const inVain = at >= endsAt(known.record)
    // A time limit is the request's, not the attempt's: trying again is for the person to decide.
    const mayPass = failed.is !== 'failed' || (error.retryable && error.code !== 'timed_out')
    if (!mayPass || inVain || (counts && record.attempt >= record.max_attempts)) {
      await fail(record, failure)
      return null
    }
    const outcome = await store.apply(record.hash, {
      type: 'retry', attempt: record.attempt, nextRetryAt: at, counts,
      ...(error.code === 'unknown_service' ? BOT_UNAVAILABLE : failure),
    }) // biome-ignore format: one change
    return outcome.ok ? { record: outcome.stored.record, at } : null
  }

  function waitMs(
    record: RequestRecord,
    { backoff, tries: planned }: Service,
    failed: FailedAttempt,
  ): number {
    if (failed.is === 'given_back') return 0
    if (failed.is === 'not_begun') {
      const { error, retryAfterMs } = failed
      return notReachedDelayMs(backoff, record, { code: error.code, retryAfterMs })
    }
    return retryDelayMs(backoff, tries ?? planned, record)
  }

  async function fail(record: RequestRecord, failure: Failure): Promise<void> {
    const outcome = await store.apply(record.hash, { type: 'fail', attempt: record.attempt, ...failure })
    if (!outcome.ok) log.debug({ hash: record.hash, refusal: outcome.refusal }, 'the failure came too late')
  }

  return { retryOrFail, fail }
}

/** After this nothing is left to try for, milliseconds. */
export const endsAt = (record: RequestRecord): number =>
  Math.min(timesOutAt(record) ?? Number.POSITIVE_INFINITY, Date.parse(record.expires_at))
