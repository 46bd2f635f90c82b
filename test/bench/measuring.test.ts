import { expect, it } from 'vitest'
import { asJson, asText, isMet, type Row } from '../../bench/measure/report.ts'
import { bestTenth, interleave, median } from '../../bench/measure/rounds.ts'

it('contenders take turns, each round in the opposite order', async () => {
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

it('a contender is judged by what a tenth of its turns reach, of up to ten by the best one', () => {
  const eleven = [90, 1, 3, 80, 2, 70, 60, 50, 4, 5, 6]
  expect(bestTenth(eleven, 'less')).toBe(2)
  expect(bestTenth(eleven, 'more')).toBe(80)
  expect(bestTenth([9, 7, 8], 'less')).toBe(7)
})

const row: Row = {
  what: 'answers a second',
  unit: '/s',
  ours: [1000, 1200, 1100],
  beside: { plain: [400, 400, 400] },
  targets: [
    { beside: 'plain', atLeast: 2.5 },
    { beside: 'plain', atLeast: 3.1 },
    { atMost: 1200 },
    { atMost: 1000 },
  ],
}

it('a target is met by the ratio to the one it names, or by the value itself', () => {
  expect(row.targets?.map((target) => isMet(row, target))).toEqual([true, false, true, false])
})

it('what is better is more of what is counted by the second, and less of all else', () => {
  const text = asText([
    { name: 'status', title: 'Status', rows: [{ ...row, unit: 'ms', beside: {}, targets: [] }] },
  ])
  expect(text).toContain('1,000 ms')
})

it('a row without ratios shows the values side by side', () => {
  const rows: Row[] = [{ ...row, targets: [], withoutRatios: true }]
  expect(asText([{ name: 'status', title: 'Status', rows }])).toMatch(/1,200 \/s +plain 400$/m)
  expect(asJson([{ name: 'status', title: 'Status', rows }])).toMatchObject([{ rows: [{ ratios: {} }] }])
})

it('people read the values with their ratios, and what was aimed for', () => {
  const text = asText([{ name: 'status', title: 'Status', rows: [row] }])
  expect(text).toMatch(/^Status\n/)
  expect(text).toContain('1,200 /s')
  expect(text).toContain('plain 400 (3.00×)')
  expect(text).toContain('✓ ≥ 2.5 × plain  ✗ ≥ 3.1 × plain  ✓ ≤ 1200 /s  ✗ ≤ 1000 /s')
})

it('machines read every value, the ratios, and which targets are met', () => {
  expect(asJson([{ name: 'status', title: 'Status', rows: [row] }])).toMatchObject([
    {
      section: 'status',
      rows: [
        {
          what: 'answers a second',
          ours: [1000, 1200, 1100],
          value: 1200,
          ratios: { plain: 3 },
          targets: [{ met: true }, { met: false }, { actual: 1200, met: true }, { met: false }],
        },
      ],
    },
  ])
})
