import { expect, it } from 'vitest'
import { formatJson, formatText, isTargetMet, type Row } from '../../bench/report.ts'

const row: Row = {
  what: 'answers a second',
  unit: '/s',
  halfway: [1000, 1200, 1100],
  beside: 'Express',
  other: [400, 400, 400],
}

it.each([
  [{ min: 2.75 }, true],
  [{ min: 2.76 }, false],
  [{ max: 2.75 }, true],
  [{ max: 2.74 }, false],
  [undefined, null],
])('a target of %j is met: %s, for a ratio of 2.75', (target, met) => {
  expect(isTargetMet({ ...row, target })).toBe(met)
})

it('a row of text shows both medians, their ratio and the target', () => {
  expect(formatText([{ ...row, target: { min: 3 } }])).toMatch(
    /^ {2}answers a second +1,100 \/s +Express 400 +2\.75 × {2}✗ ≥ 3 ×\n$/,
  )
  expect(formatText([row])).toMatch(/2\.75 ×\n$/)
})

it('the JSON holds the values of every round, the ratio and whether the target is met', () => {
  expect(formatJson([{ section: 'status', rows: [{ ...row, target: { min: 2 } }] }])).toEqual([
    { section: 'status', rows: [{ ...row, target: { min: 2 }, ratio: 2.75, met: true }] },
  ])
})
