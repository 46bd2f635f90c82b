import { expect, it } from 'vitest'
import { asJson, asText, isMet, type Row } from '../../bench/measure/report.ts'
import { inTurn, interleave, interleaveWarm, median, ratioByRounds } from '../../bench/measure/rounds.ts'

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

it('the first rounds are not counted where contenders have to be compiled', async () => {
  let turns = 0
  const measured = await interleaveWarm(3, { a: async () => ++turns })
  expect(turns).toBeGreaterThan(3)
  expect(measured).toEqual({ a: [turns - 2, turns - 1, turns] })
})

it('a median is the middle, whatever the order, and of an even number between the two', () => {
  expect(median([30, 1, 2])).toBe(2)
  expect(median([4, 1, 3, 2])).toBe(2.5)
})

it('how many times theirs ours is, is said by the middle half of the rounds', () => {
  expect(ratioByRounds([300], [100])).toBeCloseTo(3)
  expect(ratioByRounds([10, 900, 30], [10, 10, 10])).toBeCloseTo(3)
  // 1, 2, 4 and 80 times: 2 and 4 are left, and what is between them is as many times the one as the other is it.
  expect(ratioByRounds([20, 80, 10, 40], [10, 1, 10, 10])).toBeCloseTo(Math.sqrt(2 * 4))
  expect(ratioByRounds([0, 0, 0], [30, 31, 32])).toBe(0)
})

it('the next ones come each time, and then the first again', () => {
  const next = inTurn(['a', 'b', 'c'], 2)
  expect([next(), next(), next()]).toEqual([
    ['a', 'b'],
    ['c', 'a'],
    ['b', 'c'],
  ])
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

it('a row without ratios shows the values side by side', () => {
  const rows: Row[] = [{ ...row, targets: [], withoutRatios: true }]
  expect(asText([{ name: 'status', title: 'Status', rows }])).toMatch(/1,100 \/s +plain 400$/m)
  expect(asJson([{ name: 'status', title: 'Status', rows }])).toMatchObject([{ rows: [{ ratios: {} }] }])
})

it('people read the values with their ratios, and what was aimed for', () => {
  const text = asText([{ name: 'status', title: 'Status', rows: [row] }])
  expect(text).toMatch(/^Status\n/)
  expect(text).toContain('1,100 /s')
  expect(text).toContain('plain 400 (2.75×)')
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
          value: 1100,
          ratios: { plain: expect.closeTo(2.75) },
          targets: [{ met: true }, { met: false }, { actual: 1100, met: true }, { met: false }],
        },
      ],
    },
  ])
})
