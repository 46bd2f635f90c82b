/** How long a request waits before its next attempt, milliseconds. */

import type { Backoff } from '../core/catalog/define-service.ts'
import type { RequestRecord } from '../core/domain/record.ts'

type Attempts = Pick<RequestRecord, 'attempt' | 'max_attempts'>

/** Nobody waits longer than this for a bot that may be back at any time. */
const LONGEST_MS = 30_000
/** Nor longer than this for a bot that knows its service: one that does not may be asked several times before. */
const LONGEST_UNKNOWN_MS = 5_000
/** Those who were turned away together must not all come back together. */
const SPREAD = 0.1

/**
 * After an attempt that failed. Only those that counted make the wait longer.
 *
 * @param tries how many were planned; each that did not count has raised `max_attempts` beyond it
 */
export function retryDelayMs(
  backoff: Backoff,
  tries: number,
  { attempt, max_attempts }: Attempts,
  random: () => number = Math.random,
): number {
  // The worker that began it may have planned fewer: no more can have failed than there were.
  const counted = Math.min(attempt, Math.max(1, tries - (max_attempts - attempt)))
  return waitMs(backoff, counted) * (1 - (backoff.jitter ?? 0) * random())
}

/** After one that never began; never sooner than the bot wants. */
export function notReachedDelayMs(
  backoff: Backoff,
  { attempt }: Attempts,
  { code, retryAfterMs }: { code: string; retryAfterMs: number },
): number {
  const longestMs = code === 'unknown_service' ? LONGEST_UNKNOWN_MS : LONGEST_MS
  const ownMs = Math.min(longestMs, waitMs(backoff, attempt))
  return Math.max(ownMs, retryAfterMs) * (1 + Math.random() * SPREAD)
}

function waitMs({ type, seconds, maxSeconds = Number.POSITIVE_INFINITY }: Backoff, failed: number): number {
  return Math.min(maxSeconds, type === 'fixed' ? seconds : seconds * 2 ** (failed - 1)) * 1000
}
