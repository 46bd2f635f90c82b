import { expect, it } from 'vitest'
import { alternate, formatRow, median, type Row } from '../../bench/report.ts'

const row: Row = {
  what: 'answers a second',
  unit: '/s',
  halfway: [1000, 1200, 1100],
  beside: 'Express',
  other: [400, 400, 400],
}

/** A contender whose values are its name and the number of the turn. */
function createContender(order: string[]) {
  return (name: string) => async () => order.push(name)
}

it('contenders take alternating rounds, each in the opposite order of the one before', async () => {
  const order: string[] = []
  const contender = createContender(order)
  const measured = await alternate({ warmUp: 0, rounds: 3 }, { a: contender('a'), b: contender('b') })
  expect(order).toEqual(['a', 'b', 'b', 'a', 'a', 'b'])
  expect(measured).toEqual({ a: [1, 4, 5], b: [2, 3, 6] })
})

it('warm-up rounds are run first and are not among the values', async () => {
  const order: string[] = []
  const measured = await alternate({ warmUp: 2, rounds: 3 }, { a: createContender(order)('a') })
  expect(order).toHaveLength(5)
  expect(measured).toEqual({ a: [3, 4, 5] })
})

it('the median of an even number of values lies between the middle two', () => {
  expect(median([30, 1, 2])).toBe(2)
  expect(median([4, 1, 3, 2])).toBe(2.5)
})

it('the ratio is the median of the ratios within each round', () => {
  const ratioOf = (halfway: number[], other: number[]) =>
    / ([\d.]+) ×/.exec(formatRow({ ...row, halfway, other }))?.[1]
  expect(ratioOf([300], [100])).toBe('3.00')
  // The medians are 20 and 10, but the ratios are 1, 1 and 3.
  expect(ratioOf([10, 20, 30], [10, 20, 10])).toBe('1.00')
})

it.each([
  [{ min: 2.75 }, '✓ ≥ 2.75 ×'],
  [{ min: 2.76 }, '✗ ≥ 2.76 ×'],
  [{ max: 2.75 }, '✓ ≤ 2.75 ×'],
  [{ max: 2.74 }, '✗ ≤ 2.74 ×'],
  [undefined, '2.75 ×'],
])('a row with the target %j ends with %s, for a ratio of 2.75', (target, end) => {
  const line = formatRow({ ...row, target })
  expect(line).toMatch(/^ {2}answers a second +1,100 \/s +Express 400 +2\.75 ×/)
  expect(line.trim().endsWith(end)).toBe(true)
})
