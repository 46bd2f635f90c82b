/** The bar between two reports. */
import { describe, expect, it } from 'vitest'
import { toIso } from '../../core/domain/iso-time.ts'
import { toPublicView } from '../../core/domain/record.ts'
import { easedProgress } from '../../public/eased-progress.ts'
import { applyCommands, aRecord, REQUIRE_OTP, START, T0 } from '../helpers/record.ts'

const USUAL = { first: 10, second: 20 }
const REPORT = { type: 'progress', attempt: 1, progress: 20, step: 'first' } as const
/** 80 % of 60 s are left: 48 s. */
const running = applyCommands(aRecord({ now: T0 }), [START, REPORT])
const shownAt = (seconds: number, record = running, usual: Record<string, number> = USUAL) =>
  easedProgress(toPublicView(record, T0), usual, T0 + seconds * 1000)

describe('the bar', () => {
  it('moves on while the step takes its usual time, by its share of the rest, and then stands', () => {
    expect(shownAt(0)).toBe(20)
    expect(shownAt(5)).toBeCloseTo(20 + (79 * 5) / 48)
    expect(shownAt(10)).toBeCloseTo(20 + (79 * 10) / 48)
    expect(shownAt(500)).toBe(shownAt(10))
  })

  it('stands where the step has already taken its usual time before the report', () => {
    const late = { ...running, updated_at: toIso(T0 + 15_000) }
    expect(shownAt(30, late)).toBe(20)
  })

  it('stands where nothing is known of the step, while an answer is waited for, and between attempts', () => {
    expect(shownAt(30, running, {})).toBe(20)
    expect(shownAt(30, applyCommands(running, [REQUIRE_OTP]))).toBe(20)
    expect(shownAt(30, { ...running, next_retry_at: toIso(T0 + 60_000) })).toBe(20)
  })

  it('leaves the later steps their share where less time is promised than they usually take', () => {
    const promised = { ...running, estimated_end_at: toIso(T0 + 5000) }
    expect(shownAt(500, promised)).toBeCloseTo(20 + (79 * 10) / 30)
  })

  it('is never full before the end, nor behind the report where clocks differ', () => {
    expect(shownAt(500, running, { first: 10 })).toBeLessThan(99)
    expect(shownAt(500, { ...running, estimated_end_at: toIso(T0 + 5000) }, { first: 10 })).toBe(99)
    expect(shownAt(-60)).toBe(20)
  })
})
