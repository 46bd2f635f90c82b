/** How long a request waits before its next try: pure, so for any plan. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { notReachedDelayMs, retryDelayMs } from '../../workers/backoff.ts'

const never = (): number => 0
const most = (): number => 1 - Number.EPSILON
/** After so many attempts that failed, none of them made good. */
const failed = (attempt: number, tries = 100) => ({ attempt, max_attempts: tries })

const seconds = fc.integer({ min: 1, max: 600 })
const attempts = fc.integer({ min: 1, max: 12 })
const share = fc.double({ min: 0, max: 1, noNaN: true })
const type = fc.constantFrom('fixed' as const, 'exponential' as const)

describe('after an attempt that failed, the wait', () => {
  test('is always the same where it is fixed', () => {
    fc.assert(
      fc.property(seconds, attempts, (seconds, attempt) => {
        expect(retryDelayMs({ type: 'fixed', seconds }, 100, failed(attempt))).toBe(seconds * 1000)
      }),
    )
  })

  test('is twice as long each time where it is exponential', () => {
    fc.assert(
      fc.property(seconds, attempts, (seconds, attempt) => {
        const wait = (n: number) => retryDelayMs({ type: 'exponential', seconds }, 100, failed(n))
        expect(wait(1)).toBe(seconds * 1000)
        expect(wait(attempt + 1)).toBe(2 * wait(attempt))
      }),
    )
  })

  test('is never longer than maxSeconds, and as planned below', () => {
    fc.assert(
      fc.property(type, seconds, seconds, attempts, (type, seconds, maxSeconds, attempt) => {
        const planned = retryDelayMs({ type, seconds }, 100, failed(attempt))
        const wait = retryDelayMs({ type, seconds, maxSeconds }, 100, failed(attempt))
        expect(wait).toBe(Math.min(planned, maxSeconds * 1000))
      }),
    )
  })

  test('is shortened at random by up to the share of jitter, never made longer', () => {
    fc.assert(
      fc.property(type, seconds, attempts, share, share, (type, seconds, attempt, jitter, random) => {
        const full = retryDelayMs({ type, seconds }, 100, failed(attempt))
        const wait = (by: () => number) => retryDelayMs({ type, seconds, jitter }, 100, failed(attempt), by)
        expect(wait(never)).toBe(full)
        expect(wait(most)).toBeCloseTo(full * (1 - jitter), 3)
        expect(wait(() => random)).toBeCloseTo(full * (1 - jitter * random), 3)
      }),
    )
  })

  test('differs from one to the next by itself, and not without jitter', () => {
    const waits = (jitter?: number) =>
      new Set(
        Array.from({ length: 20 }, () =>
          retryDelayMs({ type: 'fixed', seconds: 10, jitter }, 3, failed(1, 3)),
        ),
      )
    expect(waits(0.5).size).toBeGreaterThan(1)
    expect(waits()).toEqual(new Set([10_000]))
    for (const wait of waits(0.5)) expect(wait).toBeGreaterThan(5_000)
  })

  test('is made longer only by attempts that counted', () => {
    fc.assert(
      fc.property(attempts, attempts, (counted, madeGood) => {
        const plan = { type: 'exponential', seconds: 1 } as const
        const after = { attempt: counted + madeGood, max_attempts: 20 + madeGood }
        expect(retryDelayMs(plan, 20, after)).toBe(retryDelayMs(plan, 20, failed(counted, 20)))
      }),
    )
  })

  test('is never one of more attempts than there were, though the worker that began planned fewer', () => {
    fc.assert(
      fc.property(attempts, attempts, fc.integer({ min: 1, max: 100 }), (attempt, more, tries) => {
        const plan = { type: 'exponential', seconds: 1 } as const
        const wait = retryDelayMs(plan, tries, failed(attempt, attempt + more))
        expect(wait).toBeGreaterThanOrEqual(1000)
        expect(wait).toBeLessThanOrEqual(1000 * 2 ** (attempt - 1))
      }),
    )
  })
})

describe('after an attempt that never began, the wait', () => {
  test('is what the bot wants where that is longer, and little more', () => {
    fc.assert(
      fc.property(
        type,
        seconds,
        attempts,
        fc.integer({ min: 30_000, max: 600_000 }),
        (type, s, attempt, wanted) => {
          const wait = notReachedDelayMs({ type, seconds: s }, failed(attempt), {
            code: 'bot_busy',
            retryAfterMs: wanted,
          })
          expect(wait).toBeGreaterThanOrEqual(wanted)
          expect(wait).toBeLessThanOrEqual(wanted * 1.1)
        },
      ),
    )
  })

  test('is 30 seconds at most where the bot wants nothing, and little more', () => {
    fc.assert(
      fc.property(type, seconds, attempts, (type, s, attempt) => {
        const wait = notReachedDelayMs({ type, seconds: s }, failed(attempt), {
          code: 'bot_unavailable',
          retryAfterMs: 0,
        })
        expect(wait).toBeGreaterThanOrEqual(Math.min(30, s) * 1000)
        expect(wait).toBeLessThanOrEqual(33_000)
      }),
    )
  })

  test('is 5 seconds at most where another bot may know the service', () => {
    fc.assert(
      fc.property(type, seconds, attempts, (type, s, attempt) => {
        const wait = notReachedDelayMs({ type, seconds: s }, failed(attempt), {
          code: 'unknown_service',
          retryAfterMs: 0,
        })
        expect(wait).toBeGreaterThanOrEqual(Math.min(5, s) * 1000)
        expect(wait).toBeLessThanOrEqual(5_500)
      }),
    )
  })
})
