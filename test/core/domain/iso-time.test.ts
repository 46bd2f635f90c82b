import fc from 'fast-check'
import { expect, it } from 'vitest'
import { toIso } from '../../../core/domain/iso-time.ts'

it('toIso writes a time as Date does, whatever was written before', () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.oneof(
          fc.integer({ min: 0, max: 5_000 }),
          fc.integer({ min: -1e14, max: 4e14 }),
          fc.double({ min: 0, max: 4e12, noNaN: true }),
        ),
      ),
      (times) => {
        for (const ms of times) expect(toIso(ms)).toBe(new Date(ms).toISOString())
      },
    ),
  )
})

it('toIso refuses an invalid time', () => {
  expect(() => toIso(Number.NaN)).toThrow(RangeError)
  expect(toIso(0)).toBe('1970-01-01T00:00:00.000Z')
})
