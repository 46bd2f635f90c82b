/** Each process as its npm command starts it, stopped by a signal to npm, as by systemd, Docker and Kubernetes. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, describe, expect, it } from 'vitest'
import { createQueues } from '../../core/queue/queues.ts'
import { freePort } from '../../core/redis/local-server.ts'
import { type Child, startScript } from '../helpers/child.ts'
import { eventually } from '../helpers/eventually.ts'
import { aRecord } from '../helpers/record.ts'
import { quiet, useFolder, useRedis } from '../helpers/redis.ts'
import { useRequests } from '../helpers/requests.ts'
import { linkCheck } from '../helpers/services.ts'
import { later, success, useForeignBot } from '../workers/foreign-bot.ts'

const redis = await useRedis()
const { client, store } = await useRequests(redis)
const queues = createQueues({ redis: client, log: quiet, queueList: () => queuesOf(catalog) })
const bot = await useForeignBot()
afterAll(() => queues.stop())

const STARTED = '"msg":"started"'

async function start(name: string, args: string[] = [], env: NodeJS.ProcessEnv = {}): Promise<Child> {
  const settings = {
    LOG_LEVEL: 'info',
    NODE_ENV: 'test',
    DRAIN_SECONDS: '20',
    LOCAL_API_TOKEN: 'a-token-of-the-tests',
  }
  const child = startScript(name, args, { REDIS_URL: redis.url, ...settings, ...env })
  await child.waitForOutput(env.REDIS_URL === '' ? 'Halfway is ready' : STARTED)
  return child
}

async function submit(requestData: Record<string, string> = {}): Promise<string> {
  const record = aRecord({ service_slug: 'link-check', request_data: requestData })
  await store.create(record)
  await queues.add(record, linkCheck)
  return record.hash
}
const readRecord = async (hash: string) => (await store.read(hash))?.record

const signalNpm = ({ process: npm }: Child): void => void npm.kill('SIGTERM')
const signalGroup = ({ process: npm }: Child): void => void process.kill(-(npm.pid as number), 'SIGTERM')

const expectGroupEnded = ({ process: npm }: Child): Promise<void> =>
  eventually(() => expect(() => process.kill(-(npm.pid as number), 0)).toThrow('ESRCH'))

/** npm has exited with 0, and its process group has ended. */
async function expectStopped(child: Child): Promise<void> {
  expect(await child.ended, child.output()).toBe(0)
  await expectGroupEnded(child)
}

describe('a signal to npm', () => {
  it.each([
    ['npm alone', signalNpm],
    ['its whole process group', signalGroup],
  ])('a signal to %s lets workers finish their jobs and take no new ones', async (_, signal) => {
    const workers = await start('start:workers', ['--concurrency', '1'], { LOCAL_API_URL: bot.url })
    const answer = later()
    const hash = await submit()
    bot.replies(hash, answer.reply)
    await bot.call(hash)
    const others = await Promise.all([submit(), submit()])
    signal(workers)
    await workers.waitForOutput('stopping')
    answer.answer(success('finished'))
    await expectStopped(workers)
    expect(await readRecord(hash)).toMatchObject({ status: 'completed', attempt: 1, result_data: 'finished' })
    for (const other of others) {
      expect(bot.calls(other)).toEqual([])
      expect(await readRecord(other)).toMatchObject({ status: 'pending' })
      await queues.remove(other, linkCheck.queue)
    }
  })

  it('a signal to npm lets bots finish their calls', async () => {
    const pending: (() => void)[] = []
    const site = createServer((_req, res) => {
      pending.push(() => res.writeHead(200, { 'content-type': 'text/html' }).end('<title>One page</title>'))
    })
    await new Promise<void>((resolve) => site.listen(0, '127.0.0.1', resolve))
    const url = `http://127.0.0.1:${(site.address() as AddressInfo).port}/`
    const port = await freePort()
    const settings = { LOCAL_API_PORT: String(port), LOCAL_API_URL: `http://127.0.0.1:${port}` }
    const [bots, workers] = await Promise.all([
      start('start:bots', [], { ...settings, LINK_CHECK_ALLOW_PRIVATE: 'true' }),
      start('start:workers', [], settings),
    ])
    const hash = await submit({ url })
    await eventually(() => expect(pending.length).toBeGreaterThan(0), { withinMs: 20_000 })
    signalNpm(bots)
    await bots.waitForOutput('stopping')
    const answering = setInterval(() => {
      for (const answer of pending.splice(0)) answer()
    }, 10)
    await expectStopped(bots)
    await eventually(async () =>
      expect(await readRecord(hash)).toMatchObject({ status: 'completed', attempt: 1 }),
    )
    signalNpm(workers)
    await expectStopped(workers)
    clearInterval(answering)
    site.closeAllConnections()
    site.close()
  })

  it('a signal to npm ends the server, which ends its open streams', async () => {
    const port = String(await freePort())
    const server = await start('start:server', [], { PORT: port })
    const hash = await submit()
    const stream = await fetch(`http://127.0.0.1:${port}/api/local-requests/${hash}/events`)
    expect(stream.status).toBe(200)
    signalNpm(server)
    expect(await stream.text()).toContain('event: ')
    await expectStopped(server)
    await queues.remove(hash, linkCheck.queue)
  })

  it('a signal to npm ends the demo portal, a task processor and a CLI command', async () => {
    const hash = await submit()
    const [portal, processor] = await Promise.all([
      start('start:portal', [], { DEMO_PORTAL_PORT: String(await freePort()) }),
      start('concurrency:processor'),
    ])
    const watch = startScript('cli', ['watch', hash], { REDIS_URL: redis.url })
    await watch.waitForOutput('pending')
    for (const child of [portal, processor, watch]) signalNpm(child)
    await Promise.all([expectStopped(portal), expectStopped(processor)])
    expect(await watch.ended).toBeTypeOf('number')
    await expectGroupEnded(watch)
    await queues.remove(hash, linkCheck.queue)
  })

  it('a signal to npm start ends every process that it has started', async () => {
    const ports = await Promise.all([freePort(), freePort(), freePort()])
    const [server, bots, portal] = ports.map(String)
    const all = await start('start', [], {
      REDIS_URL: '',
      TMPDIR: useFolder(),
      PORT: server,
      LOCAL_API_PORT: bots,
      LOCAL_API_URL: `http://127.0.0.1:${bots}`,
      DEMO_PORTAL_PORT: portal,
    })
    signalNpm(all)
    await expectStopped(all)
    for (const port of ports)
      await expect(fetch(`http://127.0.0.1:${port}`)).rejects.toMatchObject({
        cause: { code: 'ECONNREFUSED' },
      })
  })
})
