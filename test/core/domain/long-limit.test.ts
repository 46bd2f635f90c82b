/** A service may take up to an hour: its record lives as long as the work, and 1800 s after its end. */
import { describe, expect, test } from 'vitest'
import type { Command } from '../../../core/domain/command.ts'
import { applyCommands, aRecord, REQUIRE_OTP, T0 } from '../../helpers/record.ts'

const startWith = (limitSeconds: number): Command => ({ type: 'start', attempt: 1, limitSeconds })
const HOUR = startWith(3600)
const secondsUntil = (iso: string | null): number => Math.round((Date.parse(iso ?? '') - T0) / 1000)

describe('a request of a service with a limit of an hour', () => {
  test('the record expires after the deadline of the work, not 1800 s after its creation', () => {
    const record = applyCommands(aRecord({ now: T0 }), [HOUR])
    expect(secondsUntil(record.deadline_at)).toBeGreaterThanOrEqual(3600)
    expect(Date.parse(record.expires_at)).toBeGreaterThan(Date.parse(record.deadline_at ?? ''))
  })

  test('the record expires 1800 s after the end, however late that is', () => {
    const record = applyCommands(aRecord({ now: T0 }), [HOUR, { type: 'complete', attempt: 1, result: 1 }])
    expect(Date.parse(record.expires_at) - Date.parse(record.completed_at ?? '')).toBe(1_800_000)
  })

  test('a wait for a code moves the expiry with the deadline', () => {
    const waited = applyCommands(aRecord({ now: T0 }), [
      HOUR,
      REQUIRE_OTP,
      { type: 'submit_otp', otp: '123456' },
    ])
    expect(Date.parse(waited.expires_at)).toBeGreaterThan(Date.parse(waited.deadline_at ?? ''))
  })

  test('a limit of 300 s leaves the expiry as it was promised', () => {
    const created = aRecord({ now: T0 })
    const record = applyCommands(created, [startWith(300)])
    expect(record.expires_at).toBe(created.expires_at)
  })
})
