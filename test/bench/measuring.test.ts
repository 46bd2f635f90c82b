import { expect, it } from 'vitest'
import { asJson, asText, isMet, type Row } from '../../bench/measure/report.ts'
import { interleave, median, medianRatio } from '../../bench/measure/rounds.ts'

it('contenders take turns, each round in the opposite order, and each gets its own values', async () => {
  const order: string[] = []
  const measure = (name: string) => async () => {
    order.push(name)
    return `${name}${order.length}`
  }
  const measured = await interleave(3, { a: measure('a'), b: measure('b') })
  expect(order).toEqual(['a', 'b', 'b', 'a', 'a', 'b'])
  expect(measured).toEqual({ a: ['a1', 'a4', 'a5'], b: ['b2', 'b3', 'b6'] })
})

it('a median is the middle, whatever the order, and of an even number between the two', () => {
  expect(median([30, 1, 2])).toBe(2)
  expect(median([4, 1, 3, 2])).toBe(2.5)
})

it('a ratio compares values of the same round: one slow round of both changes nothing', () => {
  expect(medianRatio([20, 200, 20], [10, 100, 10])).toBe(2)
})

const row: Row = {
  what: 'answers a second',
  unit: '/s',
  ours: [1000, 1200, 1100],
  beside: { plain: [400, 400, 400] },
  targets: [
    { beside: 'plain', atLeast: 2.5 },
    { beside: 'plain', atLeast: 3 },
    { atMost: 1200 },
    { atMost: 1000 },
  ],
}

it('a target is met by the ratio to the one it names, or by the value itself', () => {
  expect(row.targets?.map((target) => isMet(row, target))).toEqual([true, false, true, false])
})

it('people read the medians with their ratios, and what was aimed for', () => {
  const text = asText([{ name: 'status', title: 'Status', rows: [row] }])
  expect(text).toMatch(/^Status\n/)
  expect(text).toContain('1,100 /s')
  expect(text).toContain('plain 400 (2.75×)')
  expect(text).toContain('✓ ≥ 2.5 × plain  ✗ ≥ 3 × plain  ✓ ≤ 1200 /s  ✗ ≤ 1000 /s')
})

it('machines read every value, the ratios, and which targets are met', () => {
  expect(asJson([{ name: 'status', title: 'Status', rows: [row] }])).toMatchObject([
    {
      section: 'status',
      rows: [
        {
          what: 'answers a second',
          ours: [1000, 1200, 1100],
          median: 1100,
          ratios: { plain: 2.75 },
          targets: [{ met: true }, { met: false }, { actual: 1100, met: true }, { met: false }],
        },
      ],
    },
  ])
})
