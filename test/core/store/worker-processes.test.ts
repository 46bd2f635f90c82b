/** The signs of life of worker processes. */
import { beforeEach, expect, onTestFinished, test } from 'vitest'
import { readWorkerProcesses, startWorkerSigns } from '../../../core/store/worker-processes.ts'
import { eventually } from '../../helpers/eventually.ts'
import { keys } from '../../helpers/keys.ts'
import { quiet, useRedis } from '../../helpers/redis.ts'

const redis = await (await useRedis()).connections.connect('patient')
const START = 1_800_000_000_000
const seconds = (count: number): number => START + count * 1000

beforeEach(async () => void (await redis.del(keys.workerProcesses)))

let now = START

/** A process that has given its first sign at this time. */
async function started(name: string, at: number, queues: string[] = ['crawls']) {
  now = at
  const before = await redis.hlen(keys.workerProcesses)
  const settings = {
    redis,
    takenQueues: () => queues,
    running: () => 2,
    slots: 5,
    log: quiet,
    now: () => now,
    name,
  }
  const signs = startWorkerSigns(settings)
  onTestFinished(signs.stop)
  await eventually(async () => expect(await redis.hlen(keys.workerProcesses)).toBe(before + 1))
  return signs
}
const seenAt = async (at: number): Promise<string[]> =>
  (await readWorkerProcesses(redis, at)).map(({ name, isSilent }) => (isSilent ? `${name} silent` : name))

test('a process is seen with its queues, what it runs and since when', async () => {
  await started('one:1', START, ['crawls', 'accounts'])
  expect(await readWorkerProcesses(redis, seconds(12))).toEqual([
    {
      name: 'one:1',
      queues: ['accounts', 'crawls'],
      queueCount: 2,
      running: 2,
      slots: 5,
      startedSecondsAgo: 12,
      silentSeconds: 12,
      isSilent: false,
    },
  ])
})

test('a process is silent 15 s after its last sign, before the others, and for ten minutes', async () => {
  await started('frozen:9', START)
  await started('alive:1', seconds(10))
  expect(await seenAt(seconds(15))).toEqual(['alive:1', 'frozen:9'])
  expect(await seenAt(seconds(20))).toEqual(['frozen:9 silent', 'alive:1'])
  expect(await seenAt(seconds(601))).toEqual(['alive:1 silent'])
  expect(await redis.pttl(keys.workerProcesses)).toBeGreaterThan(590_000)
})

test('an orderly stop removes the process at once', async () => {
  const signs = await started('one:1', START)
  signs.stop()
  await eventually(async () => expect(await redis.exists(keys.workerProcesses)).toBe(0))
})

test('a process that was killed is no longer silent once one of the same name has started, another of this name is', async () => {
  await started('container:1', START)
  await started('container:1', seconds(8))
  expect(await seenAt(seconds(9))).toEqual(['container:1'])
  const neighbour = await started('container:1', seconds(3))
  now = seconds(30)
  neighbour.give()
  await eventually(async () => expect(await seenAt(now)).toEqual(['container:1 silent', 'container:1']))
})

test('what is older than ten minutes, and what another program has written, is removed by the next process that starts', async () => {
  await started('killed:1', START)
  await redis.hset(keys.workerProcesses, 'foreign', 'x')
  expect(await seenAt(seconds(1))).toEqual(['killed:1'])
  const settings = {
    redis,
    takenQueues: () => [],
    running: () => 0,
    slots: 5,
    log: quiet,
    now: () => seconds(700),
  }
  onTestFinished(startWorkerSigns({ ...settings, name: 'new:1' }).stop)
  await eventually(async () => expect(await redis.hlen(keys.workerProcesses)).toBe(1))
  expect(await seenAt(seconds(700))).toEqual(['new:1'])
})

test('an entry has at most 20 queues, and their number', async () => {
  await started(
    'one:1',
    START,
    Array.from({ length: 300 }, (_, i) => `queue-${i}`),
  )
  const [one] = await readWorkerProcesses(redis, START)
  expect(one).toMatchObject({ queueCount: 300, queues: expect.any(Array) })
  expect(one?.queues).toHaveLength(20)
})
