/** A bot that knows the server and its token, and no Redis. */
import { afterAll, expect, it } from 'vitest'
import { startBot } from '../../bots/bot-server/create-bot.ts'
import { defineService } from '../../bots/bot-server/define-service.ts'
import { createHttpRegistry } from '../../bots/bot-server/http-registry.ts'
import { freePort } from '../../core/redis/local-server.ts'
import { loadConfig } from '../../core/runtime/config.ts'
import type { Stoppable } from '../../core/runtime/process.ts'
import { openLiveCatalog } from '../../core/store/live-catalog.ts'
import { createServiceRegistry } from '../../core/store/service-registry.ts'
import { cleanUp } from '../helpers/clean-up.ts'
import { eventually } from '../helpers/eventually.ts'
import { noTasks } from '../helpers/no-tasks.ts'
import { START } from '../helpers/record.ts'
import { quiet, useRedis } from '../helpers/redis.ts'
import { useServer } from '../helpers/server.ts'

const TOKEN = 'token-of-the-greeter'
const redis = await useRedis()
const client = await redis.connections.connect('patient')
const registry = createServiceRegistry({ redis: client })
const catalog = await openLiveCatalog({ registry, log: quiet, everyMs: 20 })
cleanUp(() => catalog.stop())
const server = await useServer(redis, { services: catalog, settings: { BOT_TOKENS: `greeter:${TOKEN}` } })

const greeting = defineService(
  {
    slug: 'greeting',
    title: 'Greeting',
    usual_seconds: 5,
    fields: [{ name: 'name', type: 'text', label: 'Name' }],
    steps: [{ id: 'greet', title: 'Greet' }],
  },
  async ({ name }, request) => {
    await request.updateProgress(40, 'greet', 'Greeting…')
    await request.markAsOtpRequired({ length: 4 })
    const code = await request.waitForOtp()
    return { greeting: `Hello ${name}, ${code}` }
  },
)

const port = await freePort()
const config = loadConfig({
  HALFWAY_URL: server.address,
  BOT_TOKEN: TOKEN,
  LOCAL_API_PORT: String(port),
  // Nothing listens there: a connection to it would fail the start.
  REDIS_URL: 'redis://127.0.0.1:1',
})
const parts: Stoppable[] = []
afterAll(async () => {
  for (const part of parts.reverse()) await part.stop()
})
await startBot(
  {
    config,
    log: quiet,
    async register(_name, part) {
      const started = await part
      parts.push(started)
      return started
    },
  },
  [greeting],
  noTasks,
)

const callBot = (hash: string, token = TOKEN) =>
  fetch(`${config.bots.address}/api/services/greeting`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', 'x-attempt': '1' },
    body: JSON.stringify({ requestHash: hash, name: 'Sara' }),
  })

it('it announces its services to the server, and owns them', async () => {
  await eventually(() => expect(catalog.find('greeting')).toBeDefined())
  expect(catalog.ownerOf('greeting')).toBe('greeter')
  expect(catalog.botsOf('greeting')).toEqual([
    { slug: 'greeting', name: 'greeter', address: config.bots.address, concurrency: 100, draining: false },
  ])
})

it('the server names each mistake of a definition with its place', async () => {
  const announcing = createHttpRegistry({ url: server.address, token: TOKEN })
  cleanUp(() => announcing.stop())
  const wrong = { slug: 'greeting', title: '', fields: [{ name: 'a', type: 'colour', label: 'A' }] }
  const detail = expect.stringMatching(/invalid\. title: (?!title).* fields\[0\]\.type: (?!fields)/)
  await expect(announcing.announce({ definition: wrong, owner: '' })).rejects.toMatchObject({
    code: 'validation_failed',
    detail,
  })
})

it('it runs a request from its call to its result', async () => {
  const hash = await server.given([START], { service_slug: 'greeting' })
  const calling = callBot(hash)
  await eventually(async () => {
    const { body } = await server.api.get(`/api/local-requests/${hash}/status`)
    expect(body).toMatchObject({ status: 'otp_required', progress: 40, step: 'greet' })
  })
  await server.api.post(`/api/local-requests/${hash}/otp`).send({ otp: '4839' }).expect(202)
  expect(await (await calling).json()).toMatchObject({
    status: 'success',
    data: { greeting: 'Hello Sara, 4839' },
  })
  const { body } = await server.api.get(`/api/local-requests/${hash}/status`)
  expect(body).toMatchObject({ status: 'completed', result_data: { greeting: 'Hello Sara, 4839' } })
})

it('a cancel aborts the handler', async () => {
  const hash = await server.given([START], { service_slug: 'greeting' })
  const calling = callBot(hash)
  await eventually(async () => {
    const { body } = await server.api.get(`/api/local-requests/${hash}/status`)
    expect(body.status).toBe('otp_required')
  })
  await server.api.post(`/api/local-requests/${hash}/cancel`).expect(200)
  expect(await (await calling).json()).toMatchObject({ status: 'error', code: 'already_final' })
})

it('only the token of the bot opens it', async () => {
  const hash = await server.given([START], { service_slug: 'greeting' })
  expect((await callBot(hash, 'local-development-only')).status).toBe(401)
})
