/** The workers' and the bots' own processes, told to stop while they are at work. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, describe, expect, test } from 'vitest'
import { linkCheck } from '../../core/catalog/link-check.ts'
import { createQueues } from '../../core/queue/queues.ts'
import { freePort } from '../../core/redis/local-server.ts'
import { type Child, startChild } from '../helpers/child.ts'
import { eventually } from '../helpers/eventually.ts'
import { aRecord } from '../helpers/record.ts'
import { onRealRedis, quiet, useRedis } from '../helpers/redis.ts'
import { useRequests } from '../helpers/requests.ts'
import { later, silence, success, useForeignBot } from './foreign-bot.ts'

const redis = await useRedis()
const { client, store } = await useRequests(redis)
const queues = createQueues({ redis: client, log: quiet })
const bot = await useForeignBot()
afterAll(() => queues.stop())

async function start(file: string, ready: string, settings: NodeJS.ProcessEnv): Promise<Child> {
  const child = startChild(file, [], {
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

describe('a workers’ process that is told to stop', { timeout: 30_000 }, () => {
  test('finishes what it is at, takes nothing new, and ends well; nothing is called twice', async () => {
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
    await queues.remove(next, linkCheck.queue)
  })

  test('gives back what takes too long, at once and free of charge', async () => {
    const workers = await startWorkers({ LOCAL_API_URL: bot.url, DRAIN_SECONDS: '1' })
    const hash = await submit()
    bot.replies(hash, silence, success('by the next one'))
    const { hungUp } = await bot.call(hash)
    workers.process.kill('SIGTERM')
    const told = performance.now()
    await hungUp
    expect(performance.now() - told).toBeGreaterThan(900)
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
    ['workers', 'workers/main.ts', 'workers are ready'],
    ['a processor of tasks', 'bots/concurrency-processor/main.ts', 'processor is ready'],
  ])('%s with nothing to do end well, long before running work would have to end', async (_, file, ready) => {
    const gone = await useRedis()
    const child = await start(file, ready, { REDIS_URL: gone.url, DRAIN_SECONDS: '300' })
    await gone.stop()
    await child.waitForOutput('Redis is away')
    child.process.kill('SIGTERM')
    expect(await child.ended).toBe(0)
  })
})

describe('a machine that goes down, workers and bots at the same time', { timeout: 30_000 }, () => {
  test('lets the work that is near its end come to it, done once', async () => {
    // The site that is checked answers when the test wants it to.
    const asked: (() => void)[] = []
    const site = createServer((_req, res) => {
      asked.push(() => res.writeHead(200, { 'content-type': 'text/html' }).end('<title>One page</title>'))
    })
    await new Promise<void>((resolve) => site.listen(0, '127.0.0.1', resolve))
    const port = await freePort()
    const settings = {
      LOCAL_API_PORT: String(port),
      LOCAL_API_URL: `http://127.0.0.1:${port}`,
      LINK_CHECK_ALLOW_PRIVATE: 'true',
      DRAIN_SECONDS: '20',
    }
    const [bots, workers] = await Promise.all([
      start('bots/inquiry-provider/main.ts', 'bots are ready', settings),
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
