import { describe, expect, test } from 'vitest'
import { keys } from '../helpers/names.ts'
import { ASK, aHash, START, step, TTL_SECONDS } from '../helpers/record.ts'
import { onRealRedis, useRedis } from '../helpers/redis.ts'
import { useServer } from '../helpers/server.ts'

const testRedis = await useRedis()
const redis = await testRedis.connections.connect('patient')
const { api, store, given } = await useServer(testRedis)

const cancel = (hash: string) => api.post(`/api/local-requests/${hash}/cancel`)

describe('a cancel', () => {
  test('ends a request that waits, runs, or asks for a code: 200 and how it stands', async () => {
    for (const hash of [await given(), await given([START, step(40)]), await given([START, ASK])]) {
      const res = await cancel(hash).expect(200)
      expect(res.headers['cache-control']).toBe('no-store')
      expect(res.body).toMatchObject({
        hash,
        status: 'cancelled',
        is_cancelled: true,
        requires_otp: false,
        otp_data: null,
        error_data: null,
        estimated_remaining_time: 0,
      })
      expect(res.body.completed_at).toBe(res.body.updated_at)
      expect(res.body).toEqual((await api.get(`/api/local-requests/${hash}/status`)).body)
    }
  })

  test('is told to everybody who listens', async () => {
    const hash = await given([START])
    const subscriber = await testRedis.connections.connect('subscriber')
    const heard = new Promise<string>((resolve) =>
      subscriber.once('message', (_channel, json) => resolve(json)),
    )
    await subscriber.subscribe(keys.channel(hash))
    const res = await cancel(hash).expect(200)
    expect(JSON.parse(await heard)).toEqual(res.body)
  })

  test('gives the request its full life once more, to be read', async () => {
    const hash = await given([START], { now: Date.now() - 1_000_000 })
    const res = await cancel(hash).expect(200)
    expect(Date.parse(res.body.expires_at) - Date.parse(res.body.completed_at)).toBe(TTL_SECONDS * 1000)
    expect(await redis.pexpiretime(keys.record(hash))).toBe(Date.parse(res.body.expires_at))
  })

  test('stays: what a worker or bot writes afterwards is refused', async () => {
    const hash = await given([START])
    await cancel(hash).expect(200)
    const before = await redis.get(keys.record(hash))
    for (const late of [
      step(90),
      { type: 'complete', attempt: 1, result: 1 },
      ASK,
      { ...START, attempt: 2 },
    ] as const) {
      expect(await store.apply(hash, late)).toMatchObject({ ok: false, refusal: 'already_final' })
    }
    expect(await redis.get(keys.record(hash))).toBe(before)
  })

  test('of many at once is made by one of them', async () => {
    const hash = await given([START])
    const answers = await Promise.all(Array.from({ length: 10 }, () => cancel(hash)))
    expect(answers.map((res) => res.status).sort()).toEqual([200, ...Array(9).fill(409)])
    expect((await api.get(`/api/local-requests/${hash}/status`)).body.version).toBe(3)
  })

  test('that races with the result: one of them has happened, and both agree which', async () => {
    for (let round = 0; round < 10; round++) {
      const hash = await given([START])
      const [res, completed] = await Promise.all([
        cancel(hash),
        store.apply(hash, { type: 'complete', attempt: 1, result: 1 }),
      ])
      const { status } = (await api.get(`/api/local-requests/${hash}/status`)).body
      expect({ cancelled: res.status === 200, completed: completed.ok }).toEqual({
        cancelled: status === 'cancelled',
        completed: status === 'completed',
      })
    }
  })

  test('needs no body, and minds none', async () => {
    await cancel(await given())
      .send({ reason: 'changed my mind' })
      .expect(200)
    await cancel(await given())
      .set('Content-Type', 'text/plain')
      .send('please')
      .expect(200)
  })
})

describe('a cancel is refused', () => {
  test('when the request has ended: 409', async () => {
    const error = { code: 'x', message: 'y', retryable: false }
    for (const hash of [
      await given([START, { type: 'complete', attempt: 1, result: 1 }]),
      await given([START, { type: 'fail', attempt: 1, error }]),
      await given([{ type: 'cancel', by: 'user' }]),
    ]) {
      const before = await redis.get(keys.record(hash))
      const res = await cancel(hash)
        .expect(409)
        .expect('Content-Type', /^application\/problem\+json/)
      expect(res.body).toMatchObject({ status: 409, code: 'already_final', retryable: false })
      expect(await redis.get(keys.record(hash))).toBe(before)
    }
  })

  test('when there is no such request: 404, or 410 where there was one', async () => {
    expect((await cancel(aHash()).expect(404)).body.code).toBe('request_not_found')
    expect((await cancel('req_short').expect(404)).body.code).toBe('request_not_found')
    expect((await cancel(aHash(Date.now() - TTL_SECONDS * 1000)).expect(410)).body.code).toBe(
      'request_expired',
    )
  })

  test('by other methods: a link or a prefetch cancels nothing', async () => {
    const hash = await given([START])
    for (const method of ['get', 'head', 'put', 'delete'] as const) {
      const res = await api[method](`/api/local-requests/${hash}/cancel`).expect(405)
      expect(res.headers.allow).toBe('POST')
    }
    expect((await api.get(`/api/local-requests/${hash}/status`)).body.status).toBe('processing')
  })

  test('when somebody does it too often', async () => {
    const limited = await useServer(testRedis, { settings: { ACTIONS_PER_MINUTE: '1' } })
    const post = async () =>
      limited.api.post(`/api/local-requests/${await given()}/cancel`).set('X-Forwarded-For', '192.0.2.60')
    expect((await post()).status).toBe(200)
    expect((await post()).status).toBe(429)
    await limited.stop()
  })
})

// Last: the Redis of this file does not come back.
test.runIf(onRealRedis)('while Redis is away a cancel is answered with 503', async () => {
  const hash = await given()
  await testRedis.goAway()
  expect((await cancel(hash).expect(503)).body.code).toBe('storage_unavailable')
})
