/** Decides what follows a failed attempt: another one, if it may succeed and there is time for it, or the failure of the request. */

import type { ServiceQueue } from '../core/catalog/queue-definition.ts'
import type { Service } from '../core/catalog/service-definition.ts'
import type { Failure } from '../core/domain/command.ts'
import { timesOutAt } from '../core/domain/deadline.ts'
import type { RequestRecord } from '../core/domain/record.ts'
import { shortReference } from '../core/domain/short-reference.ts'
import type { Queues } from '../core/queue/queues.ts'
import type { Log } from '../core/runtime/log.ts'
import type { RequestStore } from '../core/store/request-store.ts'
import { notReachedDelayMs, retryDelayMs } from './backoff.ts'
import { BOT_UNAVAILABLE } from './failure-reasons.ts'
import type { AttemptOutcome } from './run-attempt.ts'

export interface RetryPolicyDeps {
  store: RequestStore
  queue: ServiceQueue
  queues: Pick<Queues, 'hold'>
  /** Attempts per request; overrides the service's `tries`. */
  tries?: number
  log: Log
  /** Milliseconds since 1970, by the clock of the records. */
  now: () => number
}

export type FailedAttempt = Exclude<AttemptOutcome, { is: 'ended' | 'waiting' }>

/** How long the queue is held when the bot is busy and gives no (or a shorter) Retry-After. */
const MIN_HOLD_MS = 1_000
/** A mistaken Retry-After must not stop the queue for a day: after this time one request tries again. */
const MAX_HOLD_MS = 900_000

export function createRetryPolicy({ store, queue, queues, tries, log, now }: RetryPolicyDeps) {
  /**
   * @param options.atOnce another bot can take the next attempt, so nothing is waited for
   * @returns the updated record and when its next attempt is due, in ms; null when there is none
   */
  async function retryOrFail(
    record: RequestRecord,
    service: Service,
    failed: FailedAttempt,
    { atOnce = false }: { atOnce?: boolean } = {},
  ): Promise<{ record: RequestRecord; at: number } | null> {
    const { error, message_key, message_params } = failed
    const failure = { error, message_key, message_params }
    // Work whose session was lost begins again once, whatever the service's tries.
    const counts = failed.is === 'failed' && error.code !== 'session_lost'
    // A busy bot is busy for every request of the queue.
    if (failed.is === 'not_reached' && error.code === 'bot_busy')
      await queues.hold(queue, Math.min(MAX_HOLD_MS, Math.max(MIN_HOLD_MS, failed.retryAfterMs)))
    // The deadline may have moved meanwhile: it excludes the time spent waiting for a code.
    const latest = await store.read(record.hash)
    if (!latest) return null
    // The bot that asked keeps its session: the attempt goes on at another worker.
    const { otp_data: prompt, bot } = latest.record
    if (failed.is === 'given_back' && prompt && !prompt.recall && bot !== undefined)
      return { record: latest.record, at: now() }
    const isSessionLost = error.code === 'session_lost'
    const at = Math.round(now() + (isSessionLost || atOnce ? 0 : delayMs(record, service, failed)))
    const isTooLate = at >= endsAt(latest.record)
    // The time limit is that of the request, not of the attempt: whether to retry is up to the submitter.
    const maySucceed =
      failed.is !== 'failed' ||
      (isSessionLost ? !latest.record.session_lost : error.retryable && error.code !== 'timed_out')
    if (!maySucceed || isTooLate || (counts && record.attempt >= record.max_attempts)) {
      await fail(record, failure)
      return null
    }
    const outcome = await store.apply(record.hash, {
      type: 'retry', attempt: record.attempt, nextRetryAt: at, counts,
      ...(error.code === 'unknown_service' ? BOT_UNAVAILABLE : failure),
    }) // biome-ignore format: one change
    return outcome.ok ? { record: outcome.stored.record, at } : null
  }

  function delayMs(
    record: RequestRecord,
    { backoff, tries: planned }: Service,
    failed: FailedAttempt,
  ): number {
    if (failed.is === 'given_back') return 0
    if (failed.is === 'not_reached') {
      const { error, retryAfterMs } = failed
      return notReachedDelayMs(backoff, record, { code: error.code, retryAfterMs })
    }
    return retryDelayMs(backoff, tries ?? planned, record)
  }

  async function fail(record: RequestRecord, failure: Failure): Promise<void> {
    const outcome = await store.apply(record.hash, { type: 'fail', attempt: record.attempt, ...failure })
    if (!outcome.ok)
      log.debug(
        { request: shortReference(record.hash), rejection: outcome.rejection },
        'the failure was refused',
      )
  }

  return { retryOrFail, fail }
}

/** When the request times out or its record expires, milliseconds: no attempt is worth starting after that. */
export const endsAt = (record: RequestRecord): number =>
  Math.min(timesOutAt(record) ?? Number.POSITIVE_INFINITY, Date.parse(record.expires_at))
