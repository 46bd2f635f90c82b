import { expect, test } from 'vitest'
import { aHash, PRIVATE, REQUIRE_OTP, START, TTL_SECONDS } from '../helpers/record.ts'
import { useRedis } from '../helpers/redis.ts'
import { useServer } from '../helpers/server.ts'

const testRedis = await useRedis()
const { api, given } = await useServer(testRedis)

const result = (hash: string) => api.get(`/api/local-requests/${hash}/result`)
const complete = (value: unknown) => ({ type: 'complete', attempt: 1, result: value }) as const

test("the result call returns exactly the bot's JSON", async () => {
  for (const value of [{ score: 712, empty: [] }, [], [1, 2], 'متن', 0, false, null, {}]) {
    const res = await result(await given([START, complete(value)])).expect(200)
    expect(JSON.parse(res.text)).toEqual(value)
    expect(res.headers).toMatchObject({
      'content-type': 'application/json; charset=utf-8',
      'cache-control': 'no-store',
    })
    for (const hidden of Object.values(PRIVATE)) expect(res.text).not.toContain(hidden)
  }
})

test('the result call returns a result of the maximum size unchanged', async () => {
  const large = 'x'.repeat(256 * 1024 - 2)
  const res = await result(await given([START, complete(large)])).expect(200)
  expect(JSON.parse(res.text)).toBe(large)
})

test('the result of a request that is not completed is 409 with its status', async () => {
  const error = { code: 'x', message: 'y', retryable: false }
  for (const [hash, status] of [
    [await given(), 'pending'],
    [await given([START]), 'processing'],
    [await given([START, REQUIRE_OTP]), 'otp_required'],
    [await given([START, { type: 'fail', attempt: 1, error }]), 'failed'],
    [await given([{ type: 'cancel', by: 'user' }]), 'cancelled'],
  ] as const) {
    const res = await result(hash)
      .expect(409)
      .expect('Content-Type', /^application\/problem\+json/)
    expect(res.body).toMatchObject({ status: 409, code: 'not_completed' })
    expect(res.body.detail).toContain(status)
  }
})

test('the result of an unknown request is 404, of an expired one 410', async () => {
  expect((await result(aHash()).expect(404)).body.code).toBe('request_not_found')
  expect((await result(aHash(Date.now() - TTL_SECONDS * 1000)).expect(410)).body.code).toBe('request_expired')
})

test('the result call refuses methods other than GET and HEAD', async () => {
  const hash = await given([START, complete({ score: 712 })])
  await api.head(`/api/local-requests/${hash}/result`).expect(200)
  for (const method of ['post', 'put', 'delete'] as const) {
    expect((await api[method](`/api/local-requests/${hash}/result`).expect(405)).headers.allow).toBe(
      'GET, HEAD',
    )
  }
})
