import { describe, expect, test } from 'vitest'
import { createCatalog, queuesOf } from '../../core/catalog/catalog.ts'
import { describeInEnglish } from '../../core/presentation/describe-fault.ts'
import { createReadiness } from '../../core/queue/readiness.ts'
import { startHeartbeat } from '../../core/queue/worker-heartbeat.ts'
import { openRedis } from '../../core/redis/connect.ts'
import { eventually } from '../helpers/eventually.ts'
import { keys } from '../helpers/keys.ts'
import { onRealRedis, quiet, useRedis } from '../helpers/redis.ts'
import { useServer } from '../helpers/server.ts'
import { catalog, toService } from '../helpers/services.ts'

const testRedis = await useRedis()
const redis = await testRedis.connections.connect('patient')
const { api } = await useServer(testRedis)

const QUEUES = queuesOf(catalog).map(({ name }) => name)
const FINE = { redis: 'ok', writes: 'ok', workers: 'ok' }

const ready = async () => {
  const { status, body } = await api.get('/readyz')
  return { http: status, ...body }
}
/** A readiness result is cached for a second. */
const expectReady = (expected: object) => eventually(async () => expect(await ready()).toEqual(expected))
const announce = (takenQueues: () => readonly string[]) => startHeartbeat({ redis, takenQueues, log: quiet })
const deleteHeartbeats = () => redis.del(keys.workersAlive, ...QUEUES.map(keys.workersOf))

test('a server without workers is live but not ready and names the queues without a worker', async () => {
  expect((await api.get('/livez').expect(200)).body).toEqual({ status: 'ok' })
  const workers = `no worker takes jobs from ${QUEUES.join(', ')}`
  await expectReady({ http: 503, status: 'unavailable', checks: { ...FINE, workers } })
})

test('a server is ready while each queue has a worker that takes jobs', async () => {
  const [first, ...others] = QUEUES as [string, ...string[]]
  let taken: string[] = []
  announce(() => taken).stop()
  expect(await redis.exists(keys.workersAlive)).toBe(0)
  taken = [first]
  announce(() => taken).stop()
  const workers = `no worker takes jobs from ${others.join(', ')}`
  await expectReady({ http: 503, status: 'unavailable', checks: { ...FINE, workers } })
  const rest = announce(() => others)
  await expectReady({ http: 200, status: 'ok', checks: FINE })
  rest.stop()
  // A stopped worker is noticed within seconds.
  for (const name of QUEUES) expect(await redis.ttl(keys.workersOf(name))).toBeLessThanOrEqual(15)
  await deleteHeartbeats()
  await eventually(async () => expect(await ready()).toMatchObject({ http: 503 }))
})

test('a worker of an older version, which names no queues, counts for all of them', async () => {
  await redis.set(keys.workersAlive, '1', 'EX', 15)
  await expectReady({ http: 200, status: 'ok', checks: FINE })
  await deleteHeartbeats()
})

test('a queue that has appeared does not make a server unready before workers can have noticed it', async () => {
  const names = [...QUEUES]
  const { check } = createReadiness({ redis, queues: () => names })
  const worker = announce(() => QUEUES)
  await eventually(async () => expect((await check()).checks.workers).toEqual([]))
  names.push('brand-new')
  expect((await createReadiness({ redis, queues: () => names }).check()).checks.workers).toEqual([
    { code: 'untaken', params: { queues: 'brand-new' } },
  ])
  const before = await check()
  // A result is cached for a second.
  await eventually(async () => expect(await check()).not.toBe(before))
  expect((await check()).checks.workers).toEqual([])
  worker.stop()
  await deleteHeartbeats()
})

test('services without a bot, and an installation without a service, are warnings of a ready server', async () => {
  const warningsOf = async (slugs: string[], silent: string[], stopping: string[] = []) => {
    const services = createCatalog(slugs.map((slug) => toService({ slug, title: slug })))
    const isSilent = (slug: string) => silent.includes(slug)
    const silentCatalog = { ...services, isSilent, isStopping: (slug: string) => stopping.includes(slug) }
    const { warnings } = await createReadiness({ redis, queues: () => [], catalog: silentCatalog }).check()
    return warnings.services && describeInEnglish(warnings.services)
  }
  expect(await warningsOf(['a', 'b'], [])).toBeUndefined()
  expect(await warningsOf(['a', 'b'], ['b'])).toBe('no bot has announced b for a minute')
  expect(await warningsOf(['a', 'b', 'c'], ['b'], ['a', 'b'])).toBe(
    'no bot has announced b for a minute; no bot accepts requests of a: all are stopping or have stopped',
  )
  expect(await warningsOf([], [])).toBe('no bot has announced a service')
})

test('1,000 concurrent readiness checks cost one write to Redis', async () => {
  let writes = 0
  const counting = new Proxy(redis, {
    get: (target, name) => {
      if (name === 'set') writes++
      const value = Reflect.get(target, name) as unknown
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
  const { check } = createReadiness({ redis: counting, queues: () => QUEUES })
  const answers = await Promise.all(Array.from({ length: 1000 }, () => check()))
  expect(new Set(answers).size).toBe(1)
  expect(writes).toBe(1)
})

describe.runIf(onRealRedis)('a Redis that refuses writes', () => {
  test.each([
    ['is full', { maxmemory: '1' }, 'Redis is full and refuses writes'],
    [
      'has too few replicas',
      { 'min-replicas-to-write': '1' },
      'Redis refuses writes: it has too few replicas',
    ],
  ])(
    'a Redis that refuses writes because it %s makes the server not ready, with the reason',
    async (_why, settings, writes) => {
      const worker = announce(() => QUEUES)
      await expectReady({ http: 200, status: 'ok', checks: FINE })
      for (const [name, value] of Object.entries(settings)) await redis.config('SET', name, value)
      await expectReady({ http: 503, status: 'unavailable', checks: { ...FINE, writes } })
      for (const name of Object.keys(settings)) await redis.config('SET', name, '0')
      await expectReady({ http: 200, status: 'ok', checks: FINE })
      worker.stop()
      await deleteHeartbeats()
    },
  )

  test('a Redis that answers MISCONF to PING counts as up and as refusing writes', async () => {
    const refuse = () => Promise.reject(Object.assign(new Error('MISCONF No.'), { name: 'ReplyError' }))
    const refusing = new Proxy(redis, {
      get(target, name) {
        if (name === 'ping' || name === 'set') return refuse
        const value = Reflect.get(target, name) as unknown
        return typeof value === 'function' ? value.bind(target) : value
      },
    })
    const { checks } = await createReadiness({ redis: refusing, queues: () => QUEUES }).check()
    expect(checks.redis).toEqual([])
    expect(describeInEnglish(checks.writes)).toBe('Redis refuses writes: it cannot save to its disk')
  })

  test('a Redis user without write permission is named in the checks', async () => {
    await redis.call('ACL', 'SETUSER', 'reader', 'on', 'nopass', '~*', '&*', '+@read', '+@connection')
    const path = new URL(testRedis.url).pathname
    const connections = await openRedis({ kind: 'single', url: `unix://reader:any@${path}` }, quiet)
    const reader = await connections.connect('fail-fast')
    const { checks, warnings } = await createReadiness({ redis: reader, queues: () => QUEUES }).check()
    expect(checks.redis).toEqual([])
    const refusal = 'Redis refuses writes: its user has no right to write keys of Halfway'
    expect(describeInEnglish(checks.writes)).toBe(refusal)
    expect(describeInEnglish(checks.workers)).toBe(`cannot be seen: ${refusal}`)
    // It may not read the memory either, so there is no warning.
    expect(warnings).toEqual({})
    await connections.stop()
  })

  test('a nearly full Redis is a warning of a ready server', async () => {
    const worker = announce(() => QUEUES)
    const used = Number(/used_memory:(\d+)/.exec(await redis.info('memory'))?.[1])
    await redis.config('SET', 'maxmemory', String(Math.round(used / 0.94)))
    const memory = expect.stringMatching(/^Redis is nearly full: 9\d % of its maxmemory is used$/)
    await expectReady({ http: 200, status: 'ok', checks: FINE, warnings: { memory } })
    await redis.config('SET', 'maxmemory', '0')
    worker.stop()
    await deleteHeartbeats()
  })
})

test('/livez and /readyz answer with JSON, without cookie and uncached', async () => {
  for (const path of ['/livez', '/readyz']) {
    const { headers } = await api.get(path).set('Accept', 'text/html')
    expect(headers).toMatchObject({
      'content-type': 'application/json; charset=utf-8',
      'cache-control': 'no-store',
    })
    expect(headers).not.toHaveProperty('set-cookie')
    expect(headers).not.toHaveProperty('x-powered-by')
  }
})

// Last in this file, because its Redis restarts empty.
test.runIf(onRealRedis)(
  'while Redis is down the server is live but not ready, and recovers by itself',
  async () => {
    await testRedis.stop()
    const redis = 'Redis does not answer'
    await expectReady({
      http: 503,
      status: 'unavailable',
      checks: { redis, writes: redis, workers: `cannot be seen: ${redis}` },
    })
    await api.get('/livez').expect(200)
    await testRedis.restart()
    const worker = announce(() => QUEUES)
    await eventually(async () => expect(await ready()).toMatchObject({ http: 200 }))
    worker.stop()
  },
)
