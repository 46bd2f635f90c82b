import { describe, expect, test } from 'vitest'
import { allQueues } from '../../core/catalog/index.ts'
import { createReadiness } from '../../core/queue/readiness.ts'
import { startHeartbeat } from '../../core/queue/worker-heartbeat.ts'
import { openRedis } from '../../core/redis/connect.ts'
import { eventually } from '../helpers/eventually.ts'
import { keys } from '../helpers/names.ts'
import { onRealRedis, quiet, useRedis } from '../helpers/redis.ts'
import { useServer } from '../helpers/server.ts'

const testRedis = await useRedis()
const redis = await testRedis.connections.connect('patient')
const { api } = await useServer(testRedis)

const QUEUES = allQueues().map(({ name }) => name)
const FINE = { redis: 'ok', writes: 'ok', workers: 'ok' }

const ready = async () => {
  const { status, body } = await api.get('/readyz')
  return { http: status, ...body }
}
/** An answer is kept for a second. */
const expectReady = (expected: object) => eventually(async () => expect(await ready()).toEqual(expected))
const announce = (takenQueues: () => readonly string[]) => startHeartbeat({ redis, takenQueues, log: quiet })
const forgetWorkers = () => redis.del(keys.workersAlive, ...QUEUES.map(keys.workersOf))

test('a server without workers is up and not ready, and says whose queue nobody takes', async () => {
  expect((await api.get('/livez').expect(200)).body).toEqual({ status: 'ok' })
  const workers = `no worker takes jobs from ${QUEUES.join(', ')}`
  await expectReady({ http: 503, status: 'unavailable', checks: { ...FINE, workers } })
})

test('it is ready while each queue of a service has a worker that takes jobs', async () => {
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
  // A worker that is gone is missed within seconds.
  for (const name of QUEUES) expect(await redis.ttl(keys.workersOf(name))).toBeLessThanOrEqual(15)
  await forgetWorkers()
  await eventually(async () => expect(await ready()).toMatchObject({ http: 503 }))
})

test('workers of an older version, which do not name their queues, are taken to take all of them', async () => {
  await redis.set(keys.workersAlive, '1', 'EX', 15)
  await expectReady({ http: 200, status: 'ok', checks: FINE })
  await forgetWorkers()
})

test('asking often costs Redis nothing', async () => {
  let writes = 0
  const counting = new Proxy(redis, {
    get: (target, name) => {
      if (name === 'set') writes++
      const value = Reflect.get(target, name) as unknown
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
  const { check } = createReadiness({ redis: counting, queues: QUEUES })
  const answers = await Promise.all(Array.from({ length: 1000 }, () => check()))
  expect(new Set(answers).size).toBe(1)
  expect(writes).toBe(1)
})

describe.runIf(onRealRedis)('a Redis that takes no writes', () => {
  test.each([
    ['is full', { maxmemory: '1' }, 'Redis is full and refuses writes'],
    [
      'has too few replicas',
      { 'min-replicas-to-write': '1' },
      'Redis refuses writes: it has too few replicas',
    ],
  ])('because it %s makes the server not ready, and is named', async (_why, settings, writes) => {
    const worker = announce(() => QUEUES)
    await expectReady({ http: 200, status: 'ok', checks: FINE })
    for (const [name, value] of Object.entries(settings)) await redis.config('SET', name, value)
    await expectReady({ http: 503, status: 'unavailable', checks: { ...FINE, writes } })
    for (const name of Object.keys(settings)) await redis.config('SET', name, '0')
    await expectReady({ http: 200, status: 'ok', checks: FINE })
    worker.stop()
    await forgetWorkers()
  })

  test('answers all the same when it cannot save to its disk, and refuses even to say so', async () => {
    const refuse = () => Promise.reject(Object.assign(new Error('MISCONF No.'), { name: 'ReplyError' }))
    const refusing = new Proxy(redis, {
      get(target, name) {
        if (name === 'ping' || name === 'set') return refuse
        const value = Reflect.get(target, name) as unknown
        return typeof value === 'function' ? value.bind(target) : value
      },
    })
    const { checks } = await createReadiness({ redis: refusing, queues: QUEUES }).check()
    expect(checks).toMatchObject({
      redis: 'ok',
      writes: 'Redis refuses writes: it cannot save to its disk',
    })
  })

  test('is named when its user may not write', async () => {
    await redis.call('ACL', 'SETUSER', 'reader', 'on', 'nopass', '~*', '&*', '+@read', '+@connection')
    const path = new URL(testRedis.url).pathname
    const connections = await openRedis({ kind: 'single', url: `unix://reader:any@${path}` }, quiet)
    const reader = await connections.connect('fail-fast')
    const { checks, warnings } = await createReadiness({ redis: reader, queues: QUEUES }).check()
    expect(checks).toEqual({
      redis: 'ok',
      writes: 'Redis refuses writes: its user has no right to write keys of Halfway',
      workers: expect.stringContaining('cannot be seen'),
    })
    // It may not ask for the memory either: nothing is known to be wrong with that.
    expect(warnings).toEqual({})
    await connections.stop()
  })

  test('soon, because it is nearly full, is a warning of a server that is ready', async () => {
    const worker = announce(() => QUEUES)
    const used = Number(/used_memory:(\d+)/.exec(await redis.info('memory'))?.[1])
    await redis.config('SET', 'maxmemory', String(Math.round(used / 0.94)))
    const memory = expect.stringMatching(/^Redis is nearly full: 9\d % of its maxmemory is used$/)
    await expectReady({ http: 200, status: 'ok', checks: FINE, warnings: { memory } })
    await redis.config('SET', 'maxmemory', '0')
    worker.stop()
    await forgetWorkers()
  })
})

test('both calls are for programs that watch: no page, no cookie, no cache', async () => {
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

// Last: the Redis of this file comes back empty.
test.runIf(onRealRedis)(
  'while Redis is away the server is up and not ready, and recovers by itself',
  async () => {
    await testRedis.goAway()
    const redis = 'Redis does not answer'
    await expectReady({
      http: 503,
      status: 'unavailable',
      checks: { redis, writes: redis, workers: `cannot be seen: ${redis}` },
    })
    await api.get('/livez').expect(200)
    await testRedis.comeBack()
    const worker = announce(() => QUEUES)
    await eventually(async () => expect(await ready()).toMatchObject({ http: 200 }))
    worker.stop()
  },
)
