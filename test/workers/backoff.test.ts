/** The delay before the next attempt, as properties over any backoff. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { notReachedDelayMs, retryDelayMs } from '../../workers/backoff.ts'

const minRandom = (): number => 0
const maxRandom = (): number => 1 - Number.EPSILON
/** After this many failed attempts, all of which count. */
const failed = (attempt: number, tries = 100) => ({ attempt, max_attempts: tries })

const seconds = fc.integer({ min: 1, max: 600 })
const attempts = fc.integer({ min: 1, max: 12 })
const share = fc.double({ min: 0, max: 1, noNaN: true })
const type = fc.constantFrom('fixed' as const, 'exponential' as const)

describe('retryDelayMs', () => {
  test('a fixed backoff delays every attempt equally', () => {
    fc.assert(
      fc.property(seconds, attempts, (seconds, attempt) => {
        expect(retryDelayMs({ type: 'fixed', seconds }, 100, failed(attempt))).toBe(seconds * 1000)
      }),
    )
  })

  test('an exponential backoff doubles the delay with each attempt', () => {
    fc.assert(
      fc.property(seconds, attempts, (seconds, attempt) => {
        const wait = (n: number) => retryDelayMs({ type: 'exponential', seconds }, 100, failed(n))
        expect(wait(1)).toBe(seconds * 1000)
        expect(wait(attempt + 1)).toBe(2 * wait(attempt))
      }),
    )
  })

  test('max_seconds caps the delay and changes nothing below it', () => {
    fc.assert(
      fc.property(type, seconds, seconds, attempts, (type, seconds, max_seconds, attempt) => {
        const planned = retryDelayMs({ type, seconds }, 100, failed(attempt))
        const wait = retryDelayMs({ type, seconds, max_seconds }, 100, failed(attempt))
        expect(wait).toBe(Math.min(planned, max_seconds * 1000))
      }),
    )
  })

  test('jitter shortens the delay by up to its share and never extends it', () => {
    fc.assert(
      fc.property(type, seconds, attempts, share, share, (type, seconds, attempt, jitter, random) => {
        const full = retryDelayMs({ type, seconds }, 100, failed(attempt))
        const wait = (by: () => number) => retryDelayMs({ type, seconds, jitter }, 100, failed(attempt), by)
        expect(wait(minRandom)).toBe(full)
        expect(wait(maxRandom)).toBeCloseTo(full * (1 - jitter), 3)
        expect(wait(() => random)).toBeCloseTo(full * (1 - jitter * random), 3)
      }),
    )
  })

  test('delays differ with jitter, and are equal without', () => {
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

  test('only attempts that count extend the delay', () => {
    fc.assert(
      fc.property(attempts, attempts, (counted, uncounted) => {
        const plan = { type: 'exponential', seconds: 1 } as const
        const after = { attempt: counted + uncounted, max_attempts: 20 + uncounted }
        expect(retryDelayMs(plan, 20, after)).toBe(retryDelayMs(plan, 20, failed(counted, 20)))
      }),
    )
  })

  test('the delay never assumes more failed attempts than there were, also with another `tries`', () => {
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

describe('notReachedDelayMs', () => {
  test('a longer Retry-After sets the delay, plus at most 10 %', () => {
    fc.assert(
      fc.property(
        type,
        seconds,
        attempts,
        fc.integer({ min: 30_000, max: 600_000 }),
        (type, s, attempt, retryAfterMs) => {
          const wait = notReachedDelayMs({ type, seconds: s }, failed(attempt), {
            code: 'bot_busy',
            retryAfterMs,
          })
          expect(wait).toBeGreaterThanOrEqual(retryAfterMs)
          expect(wait).toBeLessThanOrEqual(retryAfterMs * 1.1)
        },
      ),
    )
  })

  test('the delay without Retry-After is at most 30 s, plus 10 %', () => {
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

  test('the delay for an unknown service is at most 5 s, plus 10 %', () => {
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
