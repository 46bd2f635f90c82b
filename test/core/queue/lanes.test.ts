/** A queue in several lanes. */
import { describe, expect, test } from 'vitest'
import { createOperate } from '../../../core/actions/operate.ts'
import { createCatalog } from '../../../core/catalog/catalog.ts'
import { queueSchema, type ServiceQueue } from '../../../core/catalog/queue-definition.ts'
import { laneNames, laneOf, splitQueue } from '../../../core/queue/lanes.ts'
import { createQueueStats } from '../../../core/queue/queue-stats.ts'
import { createQueues } from '../../../core/queue/queues.ts'
import { createControlStore } from '../../../core/store/operator-controls.ts'
import { createRequestStore } from '../../../core/store/request-store.ts'
import { cleanUp } from '../../helpers/clean-up.ts'
import { aHash, aRecord, TTL_SECONDS } from '../../helpers/record.ts'
import { quiet, useRedis } from '../../helpers/redis.ts'
import { creditScoreRating } from '../../helpers/services.ts'

const redis = await (await useRedis()).connections.connect('patient')
const store = createRequestStore({ redis, ttlSeconds: TTL_SECONDS })

function useQueues(queue: ServiceQueue) {
  const queues = createQueues({ redis, log: quiet, queueList: () => [queue] })
  const stats = createQueueStats({ redis, store, log: quiet, queues: () => [queue] })
  cleanUp(() => queues.stop())
  cleanUp(() => stats.stop())
  const lanes = (): Promise<number[]> =>
    Promise.all(stats.rawQueues().map((lane) => lane.getJobCountByTypes('prioritized')))
  return { queue, queues, stats, lanes }
}

describe('the lanes of a queue', () => {
  test('the first has the name of the queue', () => {
    expect(laneNames({ name: 'crawls' })).toEqual(['crawls'])
    expect(laneNames({ name: 'crawls', lanes: 3 })).toEqual(['crawls', 'crawls.1', 'crawls.2'])
  })

  test('requests spread over all of them, each always in the same', () => {
    const queue = { name: 'crawls', lanes: 4 }
    const hashes = Array.from({ length: 400 }, () => aHash())
    const counts = laneNames(queue).map(
      (lane) => hashes.filter((hash) => laneOf(queue, hash) === lane).length,
    )
    for (const count of counts) expect(count).toBeGreaterThan(50)
  })

  test('its limits are split among them', () => {
    const lanes = splitQueue({
      name: 'crawls',
      lanes: 3,
      concurrency: 8,
      rate: { requests: 10, seconds: 60 },
    })
    expect(lanes.map(({ concurrency }) => concurrency)).toEqual([2, 3, 3])
    expect(lanes.map(({ rate }) => rate)).toEqual([3, 3, 4].map((requests) => ({ requests, seconds: 60 })))
    expect(splitQueue({ name: 'crawls' })).toEqual([{ name: 'crawls' }])
  })

  test.each([{ concurrency: 3 }, { rate: { requests: 3, seconds: 1 } }])(
    'a definition with more lanes than it may run is refused: %o',
    (limits) => {
      const [issue] = queueSchema.safeParse({ name: 'crawls', lanes: 4, ...limits }).error?.issues ?? []
      expect(issue).toMatchObject({ path: ['lanes'], message: expect.stringContaining('at most') })
      expect(queueSchema.safeParse({ name: 'crawls', lanes: 3, ...limits }).success).toBe(true)
    },
  )
})

test('a queue with lanes counts, holds, resumes and removes as one', async () => {
  const { queue, queues, stats, lanes } = useQueues({ name: 'whole', lanes: 4, concurrency: 10 })
  await queues.applyLimits()
  const records = Array.from({ length: 40 }, () => aRecord())
  const positions = await Promise.all(
    records.map(async (record) => (await queues.prepare(record, { queue }))(Promise.resolve())),
  )
  for (const count of await lanes()) expect(count).toBeGreaterThan(0)
  expect(Math.min(...positions.map(Number))).toBe(1)
  expect(Math.max(...positions.map(Number))).toBeGreaterThan(20)
  expect(await stats.read()).toMatchObject([{ queue: 'whole', waiting: 40, at_once: 10, held_seconds: 0 }])
  expect(await queues.waiting(queue)).toBe(40)
  await queues.hold(queue, 5_000)
  expect(await stats.read()).toMatchObject([{ held_seconds: 5 }])
  await queues.pause('whole')
  const isPaused = () => Promise.all(stats.rawQueues().map((lane) => lane.isPaused()))
  expect(await isPaused()).toEqual([true, true, true, true])
  await queues.resume('whole')
  expect(await isPaused()).toEqual([false, false, false, false])
  // By its name alone, as callers do who know only a record.
  await Promise.all(records.map(({ hash }) => queues.erase(hash, { name: 'whole' })))
  expect(await lanes()).toEqual([0, 0, 0, 0])
})

test('the submitters of a queue with lanes share its rounds in each lane', async () => {
  const { queue, queues, stats } = useQueues({ name: 'fair', lanes: 2 })
  for (const submitter of [...Array(20).fill('many'), 'one'])
    await queues.add(aRecord({ submitter }), { queue })
  const [first = [], second = []] = await Promise.all(
    stats.rawQueues().map((lane) => lane.getJobs(['prioritized'])),
  )
  // The single request is in the first round of its lane.
  const rounds = [first, second].map((jobs) =>
    jobs.map(({ opts }) => opts.priority ?? 0).sort((a, b) => a - b),
  )
  expect(rounds.filter(([one, two]) => one === two)).toHaveLength(1)
})

test('jobs from before a queue had lanes are found and removed', async () => {
  const before = useQueues({ name: 'grown' })
  const records = Array.from({ length: 10 }, () => aRecord())
  for (const record of records) await before.queues.add(record, { queue: before.queue })
  const { queue, queues, stats, lanes } = useQueues({ name: 'grown', lanes: 4 })
  expect(await stats.read()).toMatchObject([{ waiting: 10 }])
  for (const { hash } of records) await queues.remove(hash, queue)
  expect(await lanes()).toEqual([0, 0, 0, 0])
})

test('an operator cannot set a limit below the number of lanes', async () => {
  const queue = { name: 'narrow', lanes: 4 }
  const { queues } = useQueues(queue)
  const catalog = createCatalog([{ ...creditScoreRating, queue }])
  const controls = createControlStore({ redis, now: Date.now })
  const { limit } = createOperate({ catalog, queues, controls })
  await expect(limit('narrow', { concurrency: 3 })).rejects.toMatchObject({
    code: 'invalid_parameter',
    message: expect.stringContaining('4 lanes'),
  })
  expect(await limit('narrow', { concurrency: 4 })).toMatchObject({ concurrency: 4 })
})
