/** Rolling restarts of workers and of bots while people type codes: each types one code. */
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { isFinal, type PublicView } from '../../core/domain/record.ts'
import { freePort } from '../../core/redis/local-server.ts'
import { openLiveCatalog } from '../../core/store/live-catalog.ts'
import { createServiceRegistry } from '../../core/store/service-registry.ts'
import { type Child, startChild } from '../helpers/child.ts'
import { cleanUp } from '../helpers/clean-up.ts'
import { eventually } from '../helpers/eventually.ts'
import { quiet, useFolder, useRedis } from '../helpers/redis.ts'
import { useServer } from '../helpers/server.ts'
import { newestCode } from '../helpers/test-bot/codes.ts'
import './fault-meta.ts'

const REQUESTS = 200
const TOKEN = 'a-token-of-the-tests'
const redis = await useRedis()
const codes = join(useFolder(), 'codes')
const client = await redis.connections.connect('patient')
const services = await openLiveCatalog({ registry: createServiceRegistry({ redis: client }), log: quiet })
cleanUp(() => services.stop())
const { address } = await useServer(redis, { services, settings: { LOCAL_API_TOKEN: TOKEN } })

const shared = {
  REDIS_URL: redis.url,
  LOCAL_API_TOKEN: TOKEN,
  NODE_ENV: 'test',
  LOG_LEVEL: 'info',
  DRAIN_SECONDS: '60',
}

async function startWorkers(): Promise<Child> {
  const child = startChild('workers/main.ts', [], { ...shared, WORKER_CONCURRENCY: '20' })
  await child.waitForOutput('workers are ready')
  return child
}

async function startBots(host = '127.0.0.1'): Promise<Child> {
  const port = String(await freePort())
  const child = startChild('test/helpers/test-bot/main.ts', [], {
    ...shared,
    LOCAL_API_PORT: port,
    BOT_HOST: host,
    BOT_ADDRESS: `http://${host}:${port}`,
    TEST_BOT_STEP_MS: '30',
    TEST_BOT_CODES: codes,
  })
  await child.waitForOutput('bots are ready')
  return child
}

/** Stops each in turn, and starts another one in its place first. */
async function restartEach(children: Child[], start: () => Promise<Child>): Promise<void> {
  for (const [i, old] of children.entries()) {
    children[i] = await start()
    old.process.kill('SIGTERM')
    expect(await old.ended).toBe(0)
  }
}

interface Outcome {
  view: PublicView
  /** How many prompts were shown, and codes typed. */
  prompts: number
  typed: number
}

async function call(path: string, body?: object): Promise<{ status: number; body: PublicView }> {
  const answer = await fetch(`${address}/api/local-requests${path}`, {
    ...(body && { method: 'POST', body: JSON.stringify(body) }),
    headers: { 'content-type': 'application/json' },
    signal: AbortSignal.timeout(20_000),
  })
  return { status: answer.status, body: (await answer.json()) as PublicView }
}

/** Submits, types each code that is asked for a while after the prompt, and waits for the end. */
async function person(service_slug: string, n: number): Promise<Outcome> {
  const mobile = `0912${String(1_000_000 + n)}`
  const request_data =
    service_slug === 'account-statement'
      ? { account_number: `12345678${String(n).padStart(4, '0')}`, mobile }
      : { mobile, national_code: '0012345679' }
  const { body } = await call('', { service_slug, request_data })
  const prompts = new Set<string>()
  let typed = 0
  for (;;) {
    const { body: view } = await call(`/${body.hash}/status`)
    if (isFinal(view.status)) return { view, prompts: prompts.size, typed }
    const prompt = view.otp_data
    if (prompt && !prompts.has(prompt.id)) {
      prompts.add(prompt.id)
      await sleep(500 + Math.random() * 4000)
      const { status } = await call(`/${body.hash}/otp`, { otp: await newestCode(codes, mobile) })
      if (status === 202) typed++
    }
    await sleep(200)
  }
}

/** Submits all of them, a few a second. */
const submitAll = (slug: string, offset: number): Promise<Outcome[]> =>
  Promise.all(
    Array.from({ length: REQUESTS }, async (_, i) => {
      await sleep(i * 60)
      return person(slug, offset + i)
    }),
  )
const describeWrong = (outcomes: Outcome[]): string[] =>
  outcomes.map(({ view, prompts, typed }) => `${view.status} ${view.error_data?.code} ${prompts} ${typed}`)

test.for([
  ['account-statement', 'SMS_SENT', 0],
  ['credit-score-rating', 'open-call', 1000],
] as const)(
  'each person types one code for %s (%s) while workers and bots are restarted one by one',
  {
    timeout: 240_000,
  },
  async ([slug, how, offset], ctx) => {
    const workers = [await startWorkers(), await startWorkers()]
    // The second one is on another address, as a bot on another machine is.
    const bots = [await startBots(), await startBots('127.0.0.2')]
    await eventually(() => expect(services.botsOf(slug)).toHaveLength(2))
    let isOver = false
    const restarts = (async () => {
      while (!isOver) {
        await restartEach(workers, startWorkers)
        await restartEach(bots, startBots)
      }
    })()
    const outcomes = await submitAll(slug, offset)
    isOver = true
    await restarts
    const right = outcomes.filter(
      ({ view, prompts, typed }) => view.status === 'completed' && prompts === 1 && typed === 1,
    )
    ctx.task.meta.fault = {
      name: `workers and bots restarted one by one, ${how}`,
      requests: REQUESTS,
      survived: right.length,
      note: 'one code each',
    }
    expect(describeWrong(outcomes.filter((one) => !right.includes(one)))).toEqual([])
    for (const { process } of [...workers, ...bots]) process.kill('SIGTERM')
    await Promise.all([...workers, ...bots].map(({ ended }) => ended))
  },
)

test('a request whose bot is killed while it waits for a code begins again by itself, once, with a new code', {
  timeout: 240_000,
}, async (ctx) => {
  const slug = 'account-statement'
  const workers = await startWorkers()
  const [killed, other] = [await startBots(), await startBots()]
  await eventually(() => expect(services.botsOf(slug)).toHaveLength(2))
  const ending = submitAll(slug, 2000)
  await sleep(6_000)
  killed.process.kill('SIGKILL')
  const outcomes = await ending
  const again = outcomes.filter(({ prompts }) => prompts === 2)
  const right = outcomes.filter(({ view, prompts }) => view.status === 'completed' && prompts <= 2)
  ctx.task.meta.fault = {
    name: 'bot killed while people type codes',
    requests: REQUESTS,
    survived: right.length,
    note: `${again.length} typed a second code`,
  }
  expect(describeWrong(outcomes.filter((one) => !right.includes(one)))).toEqual([])
  expect(again.length).toBeGreaterThan(0)
  expect(again.length).toBeLessThan(REQUESTS / 2)
  expect(workers.output()).toContain('"reason":"session_lost"')
  for (const { process } of [workers, other]) process.kill('SIGTERM')
  await Promise.all([workers.ended, other.ended])
})
