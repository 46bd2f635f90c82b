/** `doctor`: what it checks, and the remedies it prints. */
import { mkdir, rmdir } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { Worker } from 'bullmq'
import { afterAll, describe, expect, test } from 'vitest'
import { queuesOf } from '../../core/catalog/catalog.ts'
import { freePort } from '../../core/redis/local-server.ts'
import { recordUntrustedProxy } from '../../core/store/untrusted-proxy.ts'
import { createConcurrencyNames } from '../../core/tasks/protocol.ts'
import { useCli } from '../helpers/cli.ts'
import { eventually } from '../helpers/eventually.ts'
import { onRealRedis, useRedis } from '../helpers/redis.ts'
import { useRequests } from '../helpers/requests.ts'
import { catalog } from '../helpers/services.ts'

const redis = await useRedis()
const { client } = await useRequests(redis)

interface Finding {
  check: string
  result: 'ok' | 'warn' | 'fail'
  found: string
  todo: string | null
}
const TOKEN = 'a-token-of-the-tests'

/** A bot that requires the token and lists these services. */
async function useBot(services: string[]): Promise<string> {
  const server = createServer((req, res) => {
    if (req.url === '/health') return void res.end('{}')
    if (req.headers.authorization !== `Bearer ${TOKEN}`) return void res.writeHead(401).end()
    res.end(JSON.stringify({ services }))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  afterAll(() => void server.close())
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}
const slugs = catalog.all().map(({ slug }) => slug)
const LOCAL_API_URL = await useBot(slugs)
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
  test('doctor checks every part and exits with 0 when nothing fails', async () => {
    const { code, out } = await useCli(redis, { LOCAL_API_TOKEN: TOKEN, LOCAL_API_URL }).run('doctor')
    expect(out).toMatch(/^✓ Settings: valid$/m)
    expect(out).toMatch(/^✓ Bots: answer at http:\/\/127\.0\.0\.1:\d+$/m)
    expect(out).toMatch(/^✓ Services of the bots: all 4$/m)
    expect(out).toMatch(/^✓ Redis: answers at /m)
    expect(out).toMatch(/^✓ Live updates: a published message came back after \d+ ms$/m)
    for (const { name } of queuesOf(catalog))
      expect(out).toMatch(new RegExp(`^✓ Queue ${name}: a job was taken after \\d+ ms$`, 'm'))
    expect(out).toMatch(/All checks passed\.\n$/)
    expect(code).toBe(0)
    expect(await client.keys('*req_*')).toEqual([])
  })

  test('doctor names an invalid setting and checks nothing else', async () => {
    const { code, out } = await useCli(redis, { PORT: 'x' }).run('doctor')
    expect(code).toBe(1)
    expect(out).toMatch(/^✗ Settings: PORT: /m)
    expect(out).not.toContain('Bots')
  })

  test('doctor prints a remedy when the bots are unreachable, refuse the token, or lack a service', async () => {
    expect(
      (await findings({ LOCAL_API_URL: `http://127.0.0.1:${await freePort()}` })).get('Bots'),
    ).toMatchObject({
      result: 'fail',
      found: expect.stringContaining('ECONNREFUSED'),
      todo: expect.stringContaining('npm run start:bots'),
    })
    expect(
      (await findings({ LOCAL_API_TOKEN: 'another-valid-test-token' })).get('Token of the bots'),
    ).toMatchObject({
      result: 'fail',
      todo: expect.stringContaining('LOCAL_API_TOKEN'),
    })
    const poor = await findings({ LOCAL_API_URL: await useBot(slugs.slice(1)) })
    expect(poor.get('Services of the bots')).toMatchObject({ result: 'fail', found: `missing: ${slugs[0]}` })
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
