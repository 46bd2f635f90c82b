/** Processes that are killed or stopped while requests run. */
import { setTimeout as sleep } from 'node:timers/promises'
import { beforeEach, expect, test } from 'vitest'
import { eventually } from '../helpers/eventually.ts'
import { useRedis } from '../helpers/redis.ts'
import './fault-meta.ts'
import { startInstallation } from './installation.ts'
import {
  countRuns,
  expectSurvival,
  type Person,
  plainScript,
  submitAndWatch,
  submitMany,
  typeCodes,
  waitUntilRunning,
} from './people.ts'
import { WAYS } from './watchers.ts'

const redis = await useRedis()
const client = await redis.connections.connect('patient')
const SETTINGS = { REDIS_URL: redis.url }
beforeEach(() => client.flushall())

test('requests go on when their worker is killed', async (ctx) => {
  const halfway = await startInstallation(ctx, { settings: SETTINGS, workers: 2 })
  const people = await submitMany(40, () => submitAndWatch(halfway, plainScript(10, 300)))
  await waitUntilRunning(people, 30)
  await halfway.workers[0]?.kill('SIGKILL')
  const ends = await expectSurvival(ctx, halfway, people, { name: 'kill -9 worker mid-job' })
  expect(ends).toEqual({ completed: 40 })
})

test('requests are retried when their bot is killed', async (ctx) => {
  const halfway = await startInstallation(ctx, { settings: SETTINGS })
  const people = await submitMany(40, () => submitAndWatch(halfway, plainScript(10, 300)))
  await waitUntilRunning(people, 30)
  await halfway.bots[0]?.kill('SIGKILL')
  const ends = await expectSurvival(ctx, halfway, people, { name: 'kill -9 bot mid-job' })
  expect(ends).toEqual({ completed: 40 })
})

test('a new code is requested when the bot that waited for one is killed', async (ctx) => {
  const halfway = await startInstallation(ctx, { settings: SETTINGS })
  const kinds = ['open-call', 'called-again'] as const
  const people = await submitMany(20, (i) =>
    submitAndWatch(halfway, { kind: kinds[i % 2] ?? 'open-call', steps: 4, everyMs: 100 }),
  )
  await eventually(
    () => expect(people.every(({ watchers }) => watchers[0]?.shown?.requires_otp)).toBe(true),
    { withinMs: 20_000, everyMs: 50 },
  )
  await halfway.bots[0]?.kill('SIGKILL')
  const stopTyping = typeCodes(halfway, () => people)
  ctx.onTestFinished(stopTyping)
  const ends = await expectSurvival(ctx, halfway, people, { name: 'kill -9 bot waiting for a code' })
  expect(ends).toEqual({ completed: 20 })
})

test('500 watchers end on the final state when their server is killed', async (ctx) => {
  const halfway = await startInstallation(ctx, { settings: SETTINGS })
  const people = await submitMany(100, () => submitAndWatch(halfway, plainScript(12, 500), WAYS))
  await waitUntilRunning(people, 40)
  await halfway.servers[0]?.kill('SIGKILL')
  const ends = await expectSurvival(ctx, halfway, people, { name: 'kill -9 server with 500 watchers' })
  expect(ends).toEqual({ completed: 100 })
})

test('requests go on when worker, bot and server are killed within a second', async (ctx) => {
  const halfway = await startInstallation(ctx, { settings: SETTINGS, workers: 2 })
  const people = await submitMany(40, () => submitAndWatch(halfway, plainScript(10, 300)))
  await waitUntilRunning(people, 30)
  await Promise.all([
    halfway.workers[0]?.kill('SIGKILL'),
    sleep(300).then(() => halfway.bots[0]?.kill('SIGKILL')),
    sleep(600).then(() => halfway.servers[0]?.kill('SIGKILL')),
  ])
  const ends = await expectSurvival(ctx, halfway, people, { name: 'kill -9 all three within a second' })
  expect(ends).toEqual({ completed: 40 })
})

for (const role of ['server', 'workers', 'bots'] as const) {
  test(`the ${role} drain on SIGTERM, and no bot is called twice`, async (ctx) => {
    const halfway = await startInstallation(ctx, { settings: SETTINGS })
    const people: Person[] = []
    const arriving = submitMany(
      60,
      async () => {
        const person = await submitAndWatch(halfway, plainScript(6, 250))
        people.push(person)
        return person
      },
      4,
    )
    await waitUntilRunning(people, 10)
    const member = { server: halfway.servers, workers: halfway.workers, bots: halfway.bots }[role][0]
    expect(await member?.kill('SIGTERM')).toBe(0)
    await arriving
    const ends = await expectSurvival(ctx, halfway, people, { name: `SIGTERM ${role} under load` })
    expect(ends).toEqual({ completed: 60 })
    expect([...countRuns(halfway).values()].filter((runs) => runs !== 1)).toEqual([])
  })
}
