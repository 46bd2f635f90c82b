/** Each process as its npm command starts it, stopped by a signal to npm, as by systemd, Docker and Kubernetes. */
import { afterAll, describe, expect, it } from 'vitest'
import { queuesOf } from '../../core/catalog/catalog.ts'
import { createQueues } from '../../core/queue/queues.ts'
import { freePort } from '../../core/redis/local-server.ts'
import { announceServices } from '../helpers/announced.ts'
import { type Child, startScript } from '../helpers/child.ts'
import { TEST_BOT } from '../helpers/halfway.ts'
import {
  expectGroupEnded,
  expectStopped,
  signalGroup,
  signalNpm,
  startCommand,
} from '../helpers/npm-commands.ts'
import { aRecord } from '../helpers/record.ts'
import { quiet, useFolder, useRedis } from '../helpers/redis.ts'
import { useRequests } from '../helpers/requests.ts'
import { catalog, linkCheck } from '../helpers/services.ts'
import { later, success, useForeignBot } from '../workers/foreign-bot.ts'

const redis = await useRedis()
const { client, store } = await useRequests(redis)
const queues = createQueues({ redis: client, log: quiet, queueList: () => queuesOf(catalog) })
await announceServices(client)
const bot = await useForeignBot()
afterAll(() => queues.stop())

const start = (name: string, args: string[] = [], env: NodeJS.ProcessEnv = {}): Promise<Child> =>
  startCommand(name, args, { REDIS_URL: redis.url, ...env })

async function submit(): Promise<string> {
  const record = aRecord({ service_slug: 'link-check' })
  await store.create(record)
  await queues.add(record, linkCheck)
  return record.hash
}
const readRecord = async (hash: string) => (await store.read(hash))?.record

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

  it('a signal to npm ends a task processor and a CLI command', async () => {
    const hash = await submit()
    const processor = await start('concurrency:processor')
    const watch = startScript('cli', ['watch', hash], { REDIS_URL: redis.url })
    await watch.waitForOutput('pending')
    for (const child of [processor, watch]) signalNpm(child)
    await expectStopped(processor)
    expect(await watch.ended).toBeTypeOf('number')
    await expectGroupEnded(watch)
    await queues.remove(hash, linkCheck.queue)
  })

  it('a signal to npm start ends every process that it has started', async () => {
    const ports = await Promise.all([freePort(), freePort()])
    const [server, bots] = ports.map(String)
    const all = await start('start', ['--bots', TEST_BOT], {
      REDIS_URL: '',
      TMPDIR: useFolder(),
      PORT: server,
      LOCAL_API_PORT: bots,
      LOCAL_API_URL: `http://127.0.0.1:${bots}`,
    })
    signalNpm(all)
    await expectStopped(all)
    for (const port of ports)
      await expect(fetch(`http://127.0.0.1:${port}`)).rejects.toMatchObject({
        cause: { code: 'ECONNREFUSED' },
      })
  })
})
