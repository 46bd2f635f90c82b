/** Redis itself: frozen, killed, emptied, full, demoted, failed over. */
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { eventually } from '../helpers/eventually.ts'
import { startCluster, startSentinel, startSingle } from '../helpers/redis-servers.ts'
import { startTcpProxy } from '../helpers/tcp-proxy.ts'
import { type Installation, startInstallation } from './installation.ts'
import {
  collectOutcome,
  expectSurvival,
  plainScript,
  submitAndWatch,
  submitMany,
  typeCodes,
  waitUntilRunning,
} from './people.ts'
import { type Kind, toRequestData } from './scripted.ts'

/** One attempt to submit. */
async function trySubmit({ urls }: Installation): Promise<{ status: number; tookMs: number }> {
  const startedAt = performance.now()
  const answer = await fetch(`${urls[0]}/api/local-requests`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      service_slug: 'credit-score-rating',
      request_data: toRequestData(plainScript(1, 0)),
    }),
  })
  await answer.body?.cancel()
  return { status: answer.status, tookMs: performance.now() - startedAt }
}

const takesSubmitsAgain = (halfway: Installation): Promise<void> =>
  eventually(async () => expect((await trySubmit(halfway)).status).toBe(202), {
    withinMs: 10_000,
    everyMs: 200,
  })

const kindOf = (i: number): Kind =>
  (['plain', 'plain', 'open-call', 'called-again'] as const)[i % 4] ?? 'plain'

test('a Redis frozen for 10 s delays requests and fails none', async (ctx) => {
  const redis = await startSingle()
  const halfway = await startInstallation(ctx, { settings: redis.settings, workers: 2 })
  const people = await submitMany(40, (i) =>
    submitAndWatch(halfway, { kind: kindOf(i), steps: 10, everyMs: 200 }),
  )
  ctx.onTestFinished(typeCodes(halfway, () => people))
  await waitUntilRunning(people, 20)
  redis.freeze()
  const refused = await trySubmit(halfway)
  await sleep(10_000)
  redis.thaw()
  const ends = await expectSurvival(ctx, halfway, people, { name: 'Redis stopped for 10 s' })
  expect(refused.status).toBe(503)
  expect(refused.tookMs).toBeLessThan(2000)
  expect(ends).toEqual({ completed: 40 })
  await takesSubmitsAgain(halfway)
})

test('nothing is lost when Redis is killed and comes back with its append-only file', async (ctx) => {
  const redis = await startSingle({ appendonly: 'yes' })
  const halfway = await startInstallation(ctx, { settings: redis.settings, workers: 2 })
  const people = await submitMany(40, (i) =>
    submitAndWatch(halfway, { kind: kindOf(i), steps: 10, everyMs: 200 }),
  )
  ctx.onTestFinished(typeCodes(halfway, () => people))
  await waitUntilRunning(people, 20)
  await redis.end('SIGKILL')
  expect((await trySubmit(halfway)).status).toBe(503)
  await sleep(2000)
  await redis.restart()
  const ends = await expectSurvival(ctx, halfway, people, {
    name: 'Redis killed, back with append-only file',
  })
  expect(ends).toEqual({ completed: 40 })
  await takesSubmitsAgain(halfway)
})

test('pages report that requests are missing when Redis comes back empty', async (ctx) => {
  const redis = await startSingle()
  const halfway = await startInstallation(ctx, { settings: redis.settings })
  const people = await submitMany(40, (i) =>
    submitAndWatch(halfway, { kind: kindOf(i), steps: 20, everyMs: 300 }),
  )
  await waitUntilRunning(people, 20)
  await redis.end('SIGKILL')
  await redis.restart({ empty: true })
  const ends = await expectSurvival(ctx, halfway, people, { name: 'Redis killed, back empty' })
  expect(ends).toEqual({ missing: 40 })
  await takesSubmitsAgain(halfway)
  const after = await submitMany(10, () => submitAndWatch(halfway, plainScript(2, 100)))
  expect((await collectOutcome(halfway, after)).byStatus).toEqual({ completed: 10 })
})

test('running requests go on while Redis is full and submits are refused', async (ctx) => {
  const redis = await startSingle({ 'maxmemory-policy': 'noeviction' })
  const halfway = await startInstallation(ctx, { settings: redis.settings })
  const people = await submitMany(40, (i) =>
    submitAndWatch(halfway, { kind: kindOf(i), steps: 10, everyMs: 300 }),
  )
  ctx.onTestFinished(typeCodes(halfway, () => people))
  await waitUntilRunning(people, 40)
  await redis.run('CONFIG', 'SET', 'maxmemory', 1)
  expect((await trySubmit(halfway)).status).toBe(503)
  // Only requests that are queued again wait for memory: those whose bot is called again with the code.
  const runningOn = people.filter((_, i) => kindOf(i) !== 'called-again')
  expect((await collectOutcome(halfway, runningOn)).byStatus).toEqual({ completed: runningOn.length })
  await redis.run('CONFIG', 'SET', 'maxmemory', 0)
  const ends = await expectSurvival(ctx, halfway, people, { name: 'Redis full' })
  expect(ends).toEqual({ completed: 40 })
  await takesSubmitsAgain(halfway)
})

test('every process reconnects when its Redis has become a read-only replica', async (ctx) => {
  const [old, next] = await Promise.all([startSingle(), startSingle()])
  await next.run('REPLICAOF', old.host, old.port)
  await eventually(async () =>
    expect(String(await next.run('INFO', 'replication'))).toContain('link_status:up'),
  )
  const address = await startTcpProxy(old)
  const settings = { REDIS_URL: `redis://127.0.0.1:${address.port}` }
  const halfway = await startInstallation(ctx, { settings, workers: 2 })
  const people = await submitMany(40, (i) =>
    submitAndWatch(halfway, { kind: kindOf(i), steps: 10, everyMs: 300 }),
  )
  ctx.onTestFinished(typeCodes(halfway, () => people))
  await waitUntilRunning(people, 20)
  // As in a failover: the replica is promoted, the master demoted, and the address moves shortly after.
  await next.run('REPLICAOF', 'NO', 'ONE')
  await old.run('REPLICAOF', next.host, next.port)
  expect((await trySubmit(halfway)).status).toBe(503)
  await sleep(1000)
  address.redirectTo(next)
  const ends = await expectSurvival(ctx, halfway, people, { name: 'Redis read-only after a failover' })
  expect(ends).toEqual({ completed: 40 })
  await takesSubmitsAgain(halfway)
})

test('200 running requests survive a Sentinel failover', async (ctx) => {
  const sentinel = await startSentinel()
  ctx.onTestFinished(() => sentinel.stop())
  const halfway = await startInstallation(ctx, { settings: sentinel.settings, workers: 2, only: ROOMY })
  const people = await submitMany(
    200,
    (i) => submitAndWatch(halfway, { kind: kindOf(i), steps: 20, everyMs: 500 }),
    40,
  )
  ctx.onTestFinished(typeCodes(halfway, () => people))
  await waitUntilRunning(people, 200)
  await (await sentinel.master()).end('SIGKILL')
  const ends = await expectSurvival(ctx, halfway, people, { name: 'Sentinel failover', withinMs: 90_000 })
  expect(ends).toEqual({ completed: 200 })
  await takesSubmitsAgain(halfway)
})

test.for(process.env.HALFWAY_TEST_SHARDED === undefined ? ['plain'] : ['plain', 'sharded'])(
  '200 running requests survive the death of a Cluster master, with %s channels',
  async (channels, ctx) => {
    const cluster = await startCluster()
    ctx.onTestFinished(() => cluster.stop())
    const settings = { ...cluster.settings, REDIS_CLUSTER_CHANNELS: channels }
    const halfway = await startInstallation(ctx, { settings, workers: 2, only: ROOMY })
    const people = await submitMany(
      200,
      (i) => submitAndWatch(halfway, { kind: kindOf(i), steps: 20, everyMs: 500 }),
      40,
    )
    ctx.onTestFinished(typeCodes(halfway, () => people))
    await waitUntilRunning(people, 200)
    await (await cluster.findMaster('halfway:{inquiries}:inquiries:wait')).end('SIGKILL')
    const ends = await expectSurvival(ctx, halfway, people, {
      name: `Cluster with one master killed, ${channels} channels`,
      withinMs: 90_000,
    })
    expect(ends).toEqual({ completed: 200 })
    await takesSubmitsAgain(halfway)
  },
)

/** All 200 concurrently. */
const ROOMY = { workers: { WORKER_CONCURRENCY: '150' } }
