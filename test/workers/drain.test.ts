/** The workers' and the bots' processes, stopped while they work. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, describe, expect, test } from 'vitest'
import { queuesOf } from '../../core/catalog/catalog.ts'
import { createQueues } from '../../core/queue/queues.ts'
import { freePort } from '../../core/redis/local-server.ts'
import { announceServices } from '../helpers/announced.ts'
import { type Child, startChild } from '../helpers/child.ts'
import { eventually } from '../helpers/eventually.ts'
import { TEST_BOT } from '../helpers/halfway.ts'
import { aRecord } from '../helpers/record.ts'
import { onRealRedis, quiet, useRedis } from '../helpers/redis.ts'
import { useRequests } from '../helpers/requests.ts'
import { catalog, linkCheck } from '../helpers/services.ts'
import { later, silence, success, useForeignBot } from './foreign-bot.ts'

const TASKS = new URL('../helpers/fixtures/tasks.ts', import.meta.url).href
const redis = await useRedis()
const { client, store } = await useRequests(redis)
const queues = createQueues({ redis: client, log: quiet, queueList: () => queuesOf(catalog) })
const bot = await useForeignBot()
afterAll(() => queues.stop())
await announceServices(client)

async function start(
  file: string,
  ready: string,
  settings: NodeJS.ProcessEnv,
  args: string[] = [],
): Promise<Child> {
  const child = startChild(file, args, {
    REDIS_URL: redis.url,
    LOCAL_API_TOKEN: 'a-token-of-the-tests',
    LOG_LEVEL: 'info',
    NODE_ENV: 'test',
    ...settings,
  })
  await child.waitForOutput(ready)
  return child
}
const startWorkers = (settings: NodeJS.ProcessEnv) => start('workers/main.ts', 'workers are ready', settings)

async function submit(requestData: Record<string, string> = {}): Promise<string> {
  const record = aRecord({ service_slug: 'link-check', request_data: requestData })
  await store.create(record)
  await queues.add(record, linkCheck)
  return record.hash
}
const recordOf = async (hash: string) => (await store.read(hash))?.record
const ended = (hash: string) =>
  eventually(
    async () => {
      const record = await recordOf(hash)
      expect(record?.completed_at).not.toBeNull()
      return record
    },
    { withinMs: 15_000 },
  )

describe('a workers’ process that is stopped', { timeout: 30_000 }, () => {
  test('stopped workers finish running attempts, take no new job, and exit with 0', async () => {
    const workers = await startWorkers({ LOCAL_API_URL: bot.url, DRAIN_SECONDS: '20' })
    const answer = later()
    const hash = await submit()
    bot.replies(hash, answer.reply)
    await bot.call(hash)
    workers.process.kill('SIGTERM')
    await workers.waitForOutput('stopping')
    const next = await submit()
    answer.answer(success('finished'))
    expect(await workers.ended).toBe(0)
    expect(await recordOf(hash)).toMatchObject({ status: 'completed', attempt: 1, result_data: 'finished' })
    expect(await recordOf(next)).toMatchObject({ status: 'pending' })
    expect([bot.calls(hash).length, bot.calls(next).length]).toEqual([1, 0])
    // Neither a later worker nor its rescuer takes it.
    await store.apply(next, { type: 'cancel', by: 'operator' })
    await queues.remove(next, linkCheck.queue)
  })

  test('stopped workers give back an attempt that exceeds DRAIN_SECONDS, without counting it', async () => {
    const workers = await startWorkers({ LOCAL_API_URL: bot.url, DRAIN_SECONDS: '1' })
    const hash = await submit()
    bot.replies(hash, silence, success('by the next one'))
    const { hungUp } = await bot.call(hash)
    workers.process.kill('SIGTERM')
    const stoppedAt = performance.now()
    await hungUp
    expect(performance.now() - stoppedAt).toBeGreaterThan(900)
    expect(await workers.ended).toBe(0)
    expect(await recordOf(hash)).toMatchObject({ status: 'processing', attempt: 1, max_attempts: 4 })

    const next = await startWorkers({ LOCAL_API_URL: bot.url })
    expect(await ended(hash)).toMatchObject({ attempt: 2, result_data: 'by the next one' })
    next.process.kill('SIGTERM')
    expect(await next.ended).toBe(0)
  })
})

describe.runIf(onRealRedis)('while Redis is away', () => {
  test.each([
    ['workers', 'workers/main.ts', 'workers are ready', []],
    ['a processor of tasks', 'bots/concurrency-processor/main.ts', 'processor is ready', ['--tasks', TASKS]],
  ])('idle %s exit with 0 long before DRAIN_SECONDS while Redis is away', async (_, file, ready, args) => {
    const ownRedis = await useRedis()
    const child = await start(file, ready, { REDIS_URL: ownRedis.url, DRAIN_SECONDS: '300' }, args)
    await ownRedis.stop()
    await child.waitForOutput('Redis is away')
    child.process.kill('SIGTERM')
    expect(await child.ended).toBe(0)
  })
})

describe('workers and bots that are stopped at the same time', { timeout: 30_000 }, () => {
  test('workers and bots stopped together finish running work once', async () => {
    // The checked site answers when the test decides.
    const asked: (() => void)[] = []
    const site = createServer((_req, res) => {
      asked.push(() => res.writeHead(200, { 'content-type': 'text/html' }).end('<title>One page</title>'))
    })
    await new Promise<void>((resolve) => site.listen(0, '127.0.0.1', resolve))
    const port = await freePort()
    const settings = {
      LOCAL_API_PORT: String(port),
      LOCAL_API_URL: `http://127.0.0.1:${port}`,
      DRAIN_SECONDS: '20',
    }
    const [bots, workers] = await Promise.all([
      start(TEST_BOT, 'bots are ready', settings),
      startWorkers(settings),
    ])
    const url = `http://127.0.0.1:${(site.address() as AddressInfo).port}/`
    const hash = await submit({ url })
    await eventually(() => expect(asked.length).toBeGreaterThan(0))
    for (const { process } of [bots, workers]) process.kill('SIGTERM')
    await Promise.all([bots.waitForOutput('stopping'), workers.waitForOutput('stopping')])
    const answering = setInterval(() => {
      for (const answer of asked.splice(0)) answer()
    }, 10)
    expect(await Promise.all([bots.ended, workers.ended])).toEqual([0, 0])
    clearInterval(answering)
    site.closeAllConnections()
    site.close()
    expect(await recordOf(hash)).toMatchObject({ status: 'completed', attempt: 1, max_attempts: 3 })
    expect(bots.output().split('run started')).toHaveLength(2)
  })
})
