import { expect, test } from 'vitest'
import { announceWorker } from '../../core/redis/workers-alive.ts'
import { eventually } from '../helpers/eventually.ts'
import { keys } from '../helpers/names.ts'
import { onRealRedis, quiet, useRedis } from '../helpers/redis.ts'
import { useServer } from '../helpers/server.ts'

const testRedis = await useRedis()
const redis = await testRedis.connections.connect('patient')
const { api } = await useServer(testRedis)

const ready = async () => {
  const { status, body } = await api.get('/readyz')
  return { http: status, ...body }
}

test('a server without workers is up and not ready, and says who is missing', async () => {
  expect((await api.get('/livez').expect(200)).body).toEqual({ status: 'ok' })
  expect(await ready()).toEqual({
    http: 503,
    status: 'unavailable',
    checks: { redis: 'ok', workers: 'failing' },
  })
})

test('it is ready once a worker takes jobs, and not while it takes none', async () => {
  let isTaking = false
  const worker = () => announceWorker({ redis, isTaking: () => isTaking, log: quiet })
  const pausing = worker()
  expect(await ready()).toMatchObject({ http: 503 })
  pausing.stop()
  isTaking = true
  const taking = worker()
  await eventually(async () =>
    expect(await ready()).toEqual({ http: 200, status: 'ok', checks: { redis: 'ok', workers: 'ok' } }),
  )
  taking.stop()
  // A worker that is gone is missed within seconds.
  expect(await redis.ttl(keys.workersAlive)).toBeLessThanOrEqual(15)
  await redis.del(keys.workersAlive)
  expect(await ready()).toMatchObject({ http: 503, checks: { workers: 'failing' } })
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
  'while Redis is away the server is up and not ready, within a second, and recovers by itself',
  async () => {
    await testRedis.goAway()
    const begun = performance.now()
    expect(await ready()).toMatchObject({ http: 503, checks: { redis: 'failing' } })
    expect(performance.now() - begun).toBeLessThan(1000)
    await api.get('/livez').expect(200)
    await testRedis.comeBack()
    const worker = announceWorker({ redis, isTaking: () => true, log: quiet })
    await eventually(async () => expect(await ready()).toMatchObject({ http: 200 }))
    worker.stop()
  },
)
