/** How long a request waits before its next attempt, milliseconds. */
import type { RequestRecord } from '../core/record.ts'
import type { Service } from '../core/services/service.ts'

type Backoff = Pick<Service, 'backoffSeconds' | 'tries'>
type Attempts = Pick<RequestRecord, 'attempt' | 'max_attempts'>

/** Nobody waits longer than this for a bot that may be back at any time. */
const LONGEST_MS = 30_000
/** Those who were turned away together must not all come back together. */
const SPREAD = 0.1

/** After an attempt that failed: twice as long after each one that counted. */
export function afterFailure(
  { backoffSeconds, tries }: Backoff,
  { attempt, max_attempts }: Attempts,
): number {
  const counted = Math.max(1, tries - (max_attempts - attempt))
  return backoffSeconds * 1000 * 2 ** (counted - 1)
}

/** After one that never began; never sooner than the bot wants. */
export function afterNothingBegun(
  { backoffSeconds }: Backoff,
  { attempt }: Attempts,
  retryAfterMs: number,
): number {
  const ownMs = Math.min(LONGEST_MS, backoffSeconds * 1000 * 2 ** (attempt - 1))
  return Math.max(ownMs, retryAfterMs) * (1 + Math.random() * SPREAD)
}
