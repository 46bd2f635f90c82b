/** `healthcheck`: what the health check of a container is answered. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { startHeartbeat } from '../../core/queue/worker-heartbeat.ts'
import { useCli } from '../helpers/cli.ts'
import { eventually } from '../helpers/eventually.ts'
import { quiet, useRedis } from '../helpers/redis.ts'
import { useServer } from '../helpers/server.ts'

const redis = await useRedis()
const { address } = await useServer(redis)
const PORT = new URL(address).port
/** Nothing listens there. */
const UNUSED = { PORT: '1', LOCAL_API_PORT: '1' }

test('a server that listens is alive, also where no worker takes jobs', async () => {
  for (const args of [['healthcheck'], ['healthcheck', 'server']])
    expect(await useCli(redis, { PORT }).run(...args)).toMatchObject({
      code: 0,
      out: 'The server is alive.\n',
    })
})

test('a server that does not listen is not alive, in one sentence', async () => {
  const { code, out, err } = await useCli(redis, UNUSED).run('healthcheck')
  expect({ code, out, err }).toEqual({
    code: 1,
    out: '',
    err: 'halfway: The server does not answer at http://127.0.0.1:1/livez.\n',
  })
})

test('the address of HOST is asked, of every network the loopback address', async () => {
  for (const [HOST, asked] of [
    ['0.0.0.0', '127.0.0.1'],
    ['::', '[::1]'],
    ['127.0.0.2', '127.0.0.2'],
    ['fd00::1', '[fd00::1]'],
  ] as const) {
    const { err } = await useCli(redis, { HOST, PORT: '1' }).run('healthcheck')
    expect(err).toContain(`http://${asked}:1/livez`)
  }
})

test('a bot is alive while it answers /health with 200', async () => {
  let status = 200
  const bot = createServer((req, res) => res.writeHead(req.url === '/health' ? status : 404).end())
  await new Promise<void>((resolve) => bot.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void bot.close())
  const { port } = bot.address() as AddressInfo
  const cli = useCli(redis, { LOCAL_API_PORT: String(port), BOT_HOST: '0.0.0.0' })
  expect(await cli.run('healthcheck', 'bots')).toMatchObject({ code: 0, out: 'The bot is alive.\n' })
  status = 500
  expect(await cli.json('healthcheck', 'bots')).toEqual({
    healthy: false,
    found: `The bot answers 500 at http://127.0.0.1:${port}/health.`,
  })
  expect(await useCli(redis, UNUSED).run('healthcheck', 'bots')).toMatchObject({ code: 1 })
})

test('workers are alive while this host has a fresh heartbeat, even with no queue to take jobs from', async () => {
  const cli = useCli(redis)
  const { code, err } = await cli.run('healthcheck', 'workers')
  expect({ code, err }).toMatchObject({ code: 1, err: expect.stringContaining('No workers of this host') })
  const client = await redis.connections.connect('patient')
  const heartbeat = startHeartbeat({ redis: client, takenQueues: () => [], log: quiet })
  onTestFinished(() => heartbeat.stop())
  await eventually(async () => expect(await cli.run('healthcheck', 'workers')).toMatchObject({ code: 0 }))
  const [key = ''] = await client.keys('halfway:workers_on:*')
  expect(await client.ttl(key)).toBeLessThanOrEqual(15)
})

test('workers stay healthy while Redis does not answer: a restart would not help', async () => {
  const { code, out } = await useCli({ url: 'redis://127.0.0.1:1' }).run('healthcheck', 'workers')
  expect({ code, out }).toMatchObject({ code: 0, out: expect.stringContaining('Redis does not answer') })
})

test('a process that does not exist is a wrong command line', async () => {
  expect(await useCli(redis).run('healthcheck', 'portal')).toMatchObject({ code: 2 })
})
