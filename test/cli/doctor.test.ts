/** `doctor`: what it checks, and the remedies it prints. */
import { mkdir, rmdir } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { Worker } from 'bullmq'
import { afterAll, describe, expect, test } from 'vitest'
import { queuesOf } from '../../core/catalog/catalog.ts'
import type { Service } from '../../core/catalog/service-definition.ts'
import { toIso } from '../../core/domain/iso-time.ts'
import { freePort } from '../../core/redis/local-server.ts'
import { createRunTimes } from '../../core/store/run-times.ts'
import { createServiceRegistry } from '../../core/store/service-registry.ts'
import { recordUntrustedProxy } from '../../core/store/untrusted-proxy.ts'
import { createConcurrencyNames } from '../../core/tasks/protocol.ts'
import { announceServices } from '../helpers/announced.ts'
import { startChild } from '../helpers/child.ts'
import { useCli } from '../helpers/cli.ts'
import { eventually } from '../helpers/eventually.ts'
import { hasNats, startNats } from '../helpers/nats-servers.ts'
import { onRealRedis, useRedis } from '../helpers/redis.ts'
import { useRequests } from '../helpers/requests.ts'
import { catalog, definitions } from '../helpers/services.ts'

const redis = await useRedis()
const { client } = await useRequests(redis)

interface Finding {
  check: string
  result: 'ok' | 'warn' | 'fail'
  found: string
  todo: string | null
}
const TOKEN = 'a-token-of-the-tests'

/** A bot that requires the token. */
async function useBot(): Promise<string> {
  const server = createServer((req, res) => {
    if (req.url === '/health') return void res.end('{}')
    if (req.headers.authorization !== `Bearer ${TOKEN}`) return void res.writeHead(401).end()
    res.end(JSON.stringify({ services: [] }))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  afterAll(() => void server.close())
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}
const LOCAL_API_URL = await useBot()
const registry = createServiceRegistry({ redis: client })
await announceServices(client)
const workers = queuesOf(catalog).map(
  ({ name }) =>
    new Worker(name, async () => {}, {
      connection: client,
      prefix: client.names.queues,
      removeOnComplete: { count: 0 },
    }),
)
afterAll(async () => void (await Promise.all(workers.map((worker) => worker.close(true)))))

async function findings(settings: NodeJS.ProcessEnv): Promise<Map<string, Finding>> {
  const all = await useCli(redis, { LOCAL_API_TOKEN: TOKEN, LOCAL_API_URL, ...settings }).json<Finding[]>(
    'doctor',
  )
  return new Map(all.map((one) => [one.check, one]))
}

describe('doctor', () => {
  test.runIf(onRealRedis && hasNats)(
    'with NATS_URL the message comes over NATS, and doctor says what is missing (needs nats-server)',
    async () => {
      const nats = await startNats()
      const settings = { NATS_URL: nats.url }
      expect((await findings(settings)).get('Live updates')).toMatchObject({
        result: 'fail',
        todo: expect.stringMatching(/^Start a bridge: npm run start:bridge\./),
      })
      const bridge = startChild('bridge/main.ts', [], {
        REDIS_URL: redis.url,
        LOG_LEVEL: 'info',
        ...settings,
      })
      await bridge.waitForOutput('updates are carried')
      expect((await findings(settings)).get('Live updates')).toMatchObject({
        result: 'ok',
        found: expect.stringMatching(/^a published message came back over NATS after \d+ ms$/),
      })
      await nats.end()
      expect((await findings(settings)).get('Live updates')).toMatchObject({
        result: 'fail',
        todo: 'Start NATS, or correct NATS_URL.',
      })
    },
  )

  test('doctor checks every part and exits with 0 when nothing fails', async () => {
    const { code, out } = await useCli(redis, { LOCAL_API_TOKEN: TOKEN, LOCAL_API_URL }).run('doctor')
    expect(out).toMatch(/^✓ Settings: valid$/m)
    expect(out).toMatch(/^✓ Service link-check: announced, served at LOCAL_API_URL$/m)
    expect(out).toMatch(/^✓ Bot at http:\/\/127\.0\.0\.1:\d+: answers and accepts the token$/m)
    expect(out).toMatch(/^✓ Redis: answers at /m)
    expect(out).toMatch(/^✓ Live updates: a published message came back after \d+ ms$/m)
    for (const { name } of queuesOf(catalog))
      expect(out).toMatch(new RegExp(`^✓ Queue ${name}: a job was taken after \\d+ ms$`, 'm'))
    expect(out).toMatch(/^No problem, \d warnings?: (Redis [\w ]+(, )?)+\.\n$/m)
    expect(code).toBe(0)
    expect(await client.keys('*req_*')).toEqual([])
  })

  test('doctor names an invalid setting and checks nothing else', async () => {
    const { code, out } = await useCli(redis, { PORT: 'x' }).run('doctor')
    expect(code).toBe(1)
    expect(out).toMatch(/^✗ Settings: PORT: /m)
    expect(out).not.toContain('Bot at')
    expect(out).toMatch(/\n1 problem: Settings\.\n$/)
  })

  test('doctor prints a remedy when a bot is unreachable, refuses the token, or its token was withdrawn', async () => {
    const away = `http://127.0.0.1:${await freePort()}`
    expect((await findings({ LOCAL_API_URL: away })).get(`Bot at ${away}`)).toMatchObject({
      result: 'fail',
      found: expect.stringContaining('ECONNREFUSED'),
      todo: expect.stringContaining('BOT_ADDRESS'),
    })
    const other = { LOCAL_API_TOKEN: 'another-valid-test-token' }
    expect((await findings(other)).get(`Bot at ${LOCAL_API_URL}`)).toMatchObject({
      result: 'fail',
      found: 'refuses the token',
    })
    const address = 'http://127.0.0.1:1'
    await registry.announce({
      definition: { slug: 'of-a-crawler', title: 'X', queue: { name: 'crawls' } },
      owner: 'crawler',
      bot: { address, concurrency: 1 },
    })
    expect((await findings({})).get(`Bot at ${address}`)).toMatchObject({
      result: 'fail',
      todo: expect.stringContaining('BOT_TOKENS'),
    })
    await client.del(...Object.values(client.names.services).filter((name) => typeof name === 'string'))
    await announceServices(client)
  })

  test('doctor does not warn of the token that npm start makes, which only the processes have', async () => {
    const found = await findings({ LOCAL_API_TOKEN: '', NODE_ENV: 'development' })
    expect(found.get(`Bot at ${LOCAL_API_URL}`)).toMatchObject({
      result: 'ok',
      found: expect.stringContaining('LOCAL_API_TOKEN is not set here'),
      todo: null,
    })
  })

  test('doctor names the services that are silent, or announced in two versions, and says when there are none', async () => {
    await client.zadd(client.names.services.seen, Date.now() - 61_000, 'link-check ')
    expect((await findings({})).get('Service link-check')).toMatchObject({
      result: 'warn',
      found: expect.stringContaining('silent'),
    })
    const older = definitions[0]
    await registry.announce({ definition: { ...older, title: 'Newer' }, owner: 'default' })
    expect(await registry.announce({ definition: older, owner: 'default' })).toBe('older')
    expect((await findings({})).get(`Service ${older.slug}`)).toMatchObject({
      result: 'warn',
      found: expect.stringContaining('different definitions'),
    })
    await client.del(...Object.values(client.names.services).filter((name) => typeof name === 'string'))
    expect((await findings({})).get('Services')).toMatchObject({ result: 'fail' })
    await announceServices(client)
  })

  test('doctor says how many of the last requests ended when announced', async () => {
    const service = catalog.find('link-check') as Service
    const times = createRunTimes({ redis: client })
    const at = (seconds: number) => toIso(seconds * 1000)
    const took = (seconds: number) =>
      times.add(
        service,
        { attempt: 1, started_at: at(0), completed_at: at(seconds), steps: [] },
        { total: [10, 20], steps: {} },
      )
    expect((await findings({})).get('Times of link-check')).toBeUndefined()
    await Promise.all(Array.from({ length: 19 }, () => took(15)))
    await took(30)
    expect((await findings({})).get('Times of link-check')).toMatchObject({
      result: 'ok',
      found: '95 % of the last 20 requests ended when announced',
    })
    await Promise.all(Array.from({ length: 10 }, () => took(30)))
    expect((await findings({})).get('Times of link-check')).toMatchObject({ result: 'warn' })
  })

  test('doctor checks that a processor takes tasks of the redis driver', async () => {
    expect((await findings({})).get('Tasks')).toMatchObject({ result: 'ok', found: 'run here (process)' })
    const settings = { CONCURRENCY_DRIVER: 'redis' }
    expect((await findings(settings)).get('Tasks')).toMatchObject({
      result: 'fail',
      todo: expect.stringContaining('npm run concurrency:processor'),
    })
    const away = { ...settings, CONCURRENCY_REDIS_CONNECTION: 'redis://127.0.0.1:1' }
    expect((await findings(away)).get('Tasks')).toMatchObject({
      result: 'fail',
      todo: expect.stringContaining('CONNECTION'),
    })
    await client.set(createConcurrencyNames('halfway:concurrency:').processors, '1', 'PX', 5000)
    expect((await findings(settings)).get('Tasks')).toMatchObject({ result: 'ok' })
  })

  test('doctor warns of an untrusted proxy', async () => {
    expect((await findings({})).get('Proxy')).toMatchObject({ result: 'ok' })
    await recordUntrustedProxy(client)
    expect((await findings({})).get('Proxy')).toMatchObject({
      result: 'warn',
      todo: expect.stringContaining('TRUST_PROXY'),
    })
    await client.del(client.names.untrustedProxy)
  })

  test('doctor reports that Redis is unavailable', async () => {
    const all = await useCli({ url: 'redis://127.0.0.1:1' }, { LOCAL_API_URL }).json<Finding[]>('doctor')
    expect(all.at(-1)).toMatchObject({
      check: 'Redis',
      result: 'fail',
      todo: expect.stringContaining('REDIS_'),
    })
  })

  test.runIf(onRealRedis)(
    'doctor reports a Redis that cannot save to its disk, and runs the other checks',
    async () => {
      const [, dir] = (await client.config('GET', 'dir')) as string[]
      const inTheWay = join(dir as string, 'dump.rdb')
      await mkdir(inTheWay)
      await client.config('SET', 'save', '3600 1')
      await client.bgsave()
      await eventually(async () =>
        expect(await client.info('persistence')).toMatch(/rdb_last_bgsave_status:err/),
      )
      const all = await findings({})
      await client.config('SET', 'save', '')
      await rmdir(inTheWay)
      expect(all.get('Redis')).toMatchObject({ result: 'ok' })
      expect(all.get('Redis writes')).toMatchObject({
        result: 'fail',
        found: 'Redis refuses writes: it cannot save to its disk',
      })
      expect(all.get('Requests')).toMatchObject({ result: 'ok' })
    },
  )

  test.runIf(onRealRedis)(
    'doctor reports a Redis that evicts requests, is nearly full, or records codes in its slow log',
    async () => {
      const used = Number(/used_memory:(\d+)/.exec(await client.info('memory'))?.[1])
      await client.config('SET', 'maxmemory-policy', 'allkeys-lru', 'maxmemory', String(used + 1_000_000))
      await client.config('SET', 'slowlog-log-slower-than', '10000')
      const all = await findings({})
      await client.config('SET', 'maxmemory-policy', 'noeviction', 'maxmemory', '0')
      await client.config('SET', 'slowlog-log-slower-than', '-1')
      expect(all.get('Redis when full')).toMatchObject({
        result: 'fail',
        todo: expect.stringContaining('noeviction'),
      })
      expect(all.get('Redis memory')).toMatchObject({
        result: 'warn',
        todo: expect.stringContaining('maxmemory'),
      })
      expect(all.get('Redis slow log')).toMatchObject({
        result: 'warn',
        todo: 'Set slowlog-log-slower-than -1.',
      })
      expect(all.get('Redis version')).toMatchObject({ result: 'ok' })
    },
  )

  test('doctor reports that no worker takes jobs, and removes its own test jobs', async () => {
    await Promise.all(workers.map((worker) => worker.close(true)))
    const all = await findings({})
    for (const { name } of queuesOf(catalog))
      expect(all.get(`Queue ${name}`)).toMatchObject({
        result: 'fail',
        todo: expect.stringContaining(`--queue ${name}`),
      })
    expect(await client.keys('*req_*')).toEqual([])
  }, 20_000)
})
