/** How many requests of a queue the workers run at once. */
import { beforeEach, expect, onTestFinished, test } from 'vitest'
import { startWorkerSigns } from '../../core/store/worker-processes.ts'
import { createWorkerSlots } from '../../server/worker-slots.ts'
import { eventually } from '../helpers/eventually.ts'
import { keys } from '../helpers/keys.ts'
import { quiet, useRedis } from '../helpers/redis.ts'

const redis = await (await useRedis()).connections.connect('patient')
const START = 1_800_000_000_000
let now = START
beforeEach(async () => {
  now = START
  await redis.del(keys.workerProcesses)
})

async function startWorkers(name: string, slots: number, queues: string[]): Promise<void> {
  const before = await redis.hlen(keys.workerProcesses)
  const running = () => 0
  const signs = startWorkerSigns({
    redis,
    takenQueues: () => queues,
    running,
    slots,
    log: quiet,
    now: () => now,
    name,
  })
  onTestFinished(signs.stop)
  await eventually(async () => expect(await redis.hlen(keys.workerProcesses)).toBe(before + 1))
}
const createSlots = () => createWorkerSlots({ redis, now: () => now, onError: () => {} })

test('the slots of a queue are those of all processes that take it', async () => {
  await startWorkers('one:1', 10, ['crawls', 'accounts'])
  await startWorkers('two:1', 5, ['crawls'])
  const slotsOf = createSlots()
  await eventually(() => expect(['crawls', 'accounts', 'other'].map(slotsOf)).toEqual([15, 10, null]))
})

test('the slots of a silent process do not count', async () => {
  await startWorkers('killed:1', 10, ['crawls'])
  now = START + 60_000
  await startWorkers('new:1', 5, ['crawls'])
  const slotsOf = createSlots()
  await eventually(() => expect(slotsOf('crawls')).toBe(5))
})

test('the slots are unknown beside a process of an older version, which does not say its own', async () => {
  await startWorkers('new:1', 10, ['crawls'])
  const old = {
    name: 'old:1',
    queues: ['crawls'],
    queue_count: 1,
    running: 0,
    started_at: START,
    signed_at: START,
  }
  await redis.hset(keys.workerProcesses, 'old', JSON.stringify(old))
  await startWorkers('new:2', 10, ['accounts'])
  const slotsOf = createSlots()
  await eventually(() => expect(['accounts', 'crawls'].map(slotsOf)).toEqual([10, null]))
})

test('the slots are read again after five seconds, and no more often', async () => {
  await startWorkers('one:1', 10, ['crawls'])
  const slotsOf = createSlots()
  await eventually(() => expect(slotsOf('crawls')).toBe(10))
  await startWorkers('two:1', 5, ['crawls'])
  expect(slotsOf('crawls')).toBe(10)
  now += 5_000
  await eventually(() => expect(slotsOf('crawls')).toBe(15))
})
