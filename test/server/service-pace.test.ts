/** How soon the requests of a queue start one after the other. */
import { expect, test } from 'vitest'
import { parseService, type ServiceDefinition } from '../../core/catalog/service-definition.ts'
import { queuePace } from '../../server/pages/service-pace.ts'

const ESTIMATE = { total: [30, 90], typical: 60, steps: {}, usual: {}, leastAfter: {} } as const

function secondsBetween(
  queue: Partial<ServiceDefinition['queue'] & object>,
  { bots, workers }: { bots: number | null; workers: number | null },
): number | null {
  const parsed = parseService({
    slug: 'score',
    title: { en: 'Score', fa: 'امتیاز' },
    fields: [],
    queue: { name: 'scores', ...queue },
  } as unknown as ServiceDefinition)
  if (!parsed.ok) throw new Error(parsed.errors.join('\n'))
  const capacities = {
    capacityOf: () => bots,
    slotsOf: (name: string) => (name === 'scores' ? workers : null),
  }
  return queuePace(parsed.service, ESTIMATE, capacities).queueSeconds
}

test('requests start as fast as the fewest of bots, workers and the queue end them', () => {
  expect(secondsBetween({}, { bots: 100, workers: 10 })).toBe(6)
  expect(secondsBetween({}, { bots: 5, workers: 10 })).toBe(12)
  expect(secondsBetween({ concurrency: 2 }, { bots: 100, workers: 10 })).toBe(30)
})

test('without a known worker the bots and the queue decide, and without bots nothing is known', () => {
  expect(secondsBetween({}, { bots: 100, workers: null })).toBe(0.6)
  expect(secondsBetween({}, { bots: null, workers: 10 })).toBeNull()
})

test('requests start no faster than the rate of their queue', () => {
  expect(secondsBetween({ rate: { requests: 2, seconds: 60 } }, { bots: 100, workers: 10 })).toBe(30)
})
