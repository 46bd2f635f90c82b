import { expect, it } from 'vitest'
import { alternate, median, medianRatio } from '../../bench/rounds.ts'

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

it('the ratio of two contenders is the median of the ratios within each round', () => {
  expect(medianRatio([300], [100])).toBe(3)
  expect(medianRatio([10, 900, 30], [10, 10, 10])).toBe(3)
  // The medians are 20 and 10, but the ratios are 1, 1 and 3.
  expect(medianRatio([10, 20, 30], [10, 20, 10])).toBe(1)
})
