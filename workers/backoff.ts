/** The delay before the next attempt of a request, milliseconds. */

import type { Service } from '../core/catalog/service-definition.ts'
import type { RequestRecord } from '../core/domain/record.ts'

type Attempts = Pick<RequestRecord, 'attempt' | 'max_attempts'>

/** Maximum while a bot is unavailable: it may be back at any time. */
const MAX_DELAY_MS = 30_000
/** Maximum while a bot does not know the service: it takes several calls to reach one that does. */
const MAX_UNKNOWN_SERVICE_DELAY_MS = 5_000
/** Requests that were refused together must not come back together. */
const JITTER = 0.1

type Delays = Omit<Service['backoff'], 'jitter'> & { jitter?: number }

/**
 * After a failed attempt. Only attempts that count make the delay longer.
 *
 * @param tries planned attempts; each attempt that does not count raises `max_attempts` beyond it
 */
export function retryDelayMs(
  backoff: Delays,
  tries: number,
  { attempt, max_attempts }: Attempts,
  random: () => number = Math.random,
): number {
  // Another worker may have planned fewer `tries`: no more than `attempt` can have failed.
  const counted = Math.min(attempt, Math.max(1, tries - (max_attempts - attempt)))
  return backoffMs(backoff, counted) * (1 - (backoff.jitter ?? 0) * random())
}

/** After an attempt that did not reach the bot: at least the bot's Retry-After. */
export function notReachedDelayMs(
  backoff: Delays,
  { attempt }: Attempts,
  { code, retryAfterMs }: { code: string; retryAfterMs: number },
): number {
  const maxMs = code === 'unknown_service' ? MAX_UNKNOWN_SERVICE_DELAY_MS : MAX_DELAY_MS
  const ownMs = Math.min(maxMs, backoffMs(backoff, attempt))
  return Math.max(ownMs, retryAfterMs) * (1 + Math.random() * JITTER)
}

function backoffMs(
  { type, seconds, max_seconds = Number.POSITIVE_INFINITY }: Delays,
  failed: number,
): number {
  return Math.min(max_seconds, type === 'fixed' ? seconds : seconds * 2 ** (failed - 1)) * 1000
}
