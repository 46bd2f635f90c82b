import { describe, expect, test } from 'vitest'
import { keys } from '../helpers/keys.ts'
import { aHash, progressTo, REQUIRE_OTP, START, TTL_SECONDS } from '../helpers/record.ts'
import { onRealRedis, useRedis } from '../helpers/redis.ts'
import { useServer } from '../helpers/server.ts'

const testRedis = await useRedis()
const redis = await testRedis.connections.connect('patient')
const { api, store, given } = await useServer(testRedis)

const cancel = (hash: string) => api.post(`/api/local-requests/${hash}/cancel`)

describe('a cancel', () => {
  test('a cancel ends a queued, running or code-awaiting request and returns 200 with its state', async () => {
    for (const hash of [
      await given(),
      await given([START, progressTo(40)]),
      await given([START, REQUIRE_OTP]),
    ]) {
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

  test("a cancel publishes the cancelled view on the request's channel", async () => {
    const hash = await given([START])
    const subscriber = await testRedis.connections.connect('subscriber')
    const received = new Promise<string>((resolve) =>
      subscriber.once('message', (_channel, json) => resolve(json)),
    )
    await subscriber.subscribe(keys.channel(hash))
    const res = await cancel(hash).expect(200)
    expect(JSON.parse(await received)).toEqual(res.body)
  })

  test('a cancelled request stays readable for a full REQUEST_TTL from its cancel', async () => {
    const hash = await given([START], { now: Date.now() - 1_000_000 })
    const res = await cancel(hash).expect(200)
    expect(Date.parse(res.body.expires_at) - Date.parse(res.body.completed_at)).toBe(TTL_SECONDS * 1000)
    expect(await redis.pexpiretime(keys.record(hash))).toBe(Date.parse(res.body.expires_at))
  })

  test('a cancelled request refuses later writes of worker and bot', async () => {
    const hash = await given([START])
    await cancel(hash).expect(200)
    const before = await redis.get(keys.record(hash))
    for (const late of [
      progressTo(90),
      { type: 'complete', attempt: 1, result: 1 },
      REQUIRE_OTP,
      { ...START, attempt: 2 },
    ] as const) {
      expect(await store.apply(hash, late)).toMatchObject({ ok: false, rejection: 'already_final' })
    }
    expect(await redis.get(keys.record(hash))).toBe(before)
  })

  test('concurrent cancels of one request write one cancel', async () => {
    const hash = await given([START])
    const answers = await Promise.all(Array.from({ length: 10 }, () => cancel(hash)))
    expect(answers.map((res) => res.status).sort()).toEqual([200, ...Array(9).fill(409)])
    expect((await api.get(`/api/local-requests/${hash}/status`)).body.version).toBe(3)
  })

  test('a cancel that races with the result ends in one outcome, which both callers get', async () => {
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

  test('a cancel accepts a missing or any body', async () => {
    await cancel(await given())
      .send({ reason: 'changed my mind' })
      .expect(200)
    await cancel(await given())
      .set('Content-Type', 'text/plain')
      .send('please')
      .expect(200)
  })
})

describe('a refused cancel', () => {
  test('a cancel of an ended request is refused with 409', async () => {
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

  test('a cancel of an unknown request is 404, of an expired one 410', async () => {
    expect((await cancel(aHash()).expect(404)).body.code).toBe('request_not_found')
    expect((await cancel('req_short').expect(404)).body.code).toBe('request_not_found')
    expect((await cancel(aHash(Date.now() - TTL_SECONDS * 1000)).expect(410)).body.code).toBe(
      'request_expired',
    )
  })

  test('a cancel by another method than POST is 405, so that a prefetch cancels nothing', async () => {
    const hash = await given([START])
    for (const method of ['get', 'head', 'put', 'delete'] as const) {
      const res = await api[method](`/api/local-requests/${hash}/cancel`).expect(405)
      expect(res.headers.allow).toBe('POST')
    }
    expect((await api.get(`/api/local-requests/${hash}/status`)).body.status).toBe('processing')
  })

  test('cancels are rate-limited per address', async () => {
    const limited = await useServer(testRedis, { settings: { ACTIONS_PER_MINUTE: '1' } })
    const post = async () =>
      limited.api.post(`/api/local-requests/${await given()}/cancel`).set('X-Forwarded-For', '192.0.2.60')
    expect((await post()).status).toBe(200)
    expect((await post()).status).toBe(429)
    await limited.stop()
  })
})

// Last in this file, because its Redis stays down.
test.runIf(onRealRedis)('a cancel while Redis is down is answered with 503', async () => {
  const hash = await given()
  await testRedis.stop()
  expect((await cancel(hash).expect(503)).body.code).toBe('storage_unavailable')
})
