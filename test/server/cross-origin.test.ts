/** CORS: pages of allowed sites may read and do what programs may, without cookies; other sites nothing. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Response } from 'supertest'
import { describe, expect, test } from 'vitest'
import { aHash, REQUIRE_OTP, START } from '../helpers/record.ts'
import { onRealRedis, useFolder, useRedis } from '../helpers/redis.ts'
import { CREDIT_SCORE, useServer } from '../helpers/server.ts'

const FRIEND = 'https://friend.example'
const STRANGER = 'https://stranger.example'
const SUBMIT = '/api/local-requests'

const redis = await useRedis()
const assets = useFolder()
writeFileSync(join(assets, 'halfway-progress.js'), '')
const { api, given } = await useServer(redis, {
  assets,
  settings: { ALLOWED_ORIGINS: `${FRIEND}, https://other.example`, SUBMITS_PER_MINUTE: '1' },
})
const alone = await useServer(redis, { assets })

const statusOf = (hash: string): string => `${SUBMIT}/${hash}/status`
const from = (origin: string) => ({ Origin: origin, 'Sec-Fetch-Site': 'cross-site' })
const preflight = (path: string, headers: string) =>
  api.options(path).set({
    ...from(FRIEND),
    'Access-Control-Request-Method': 'POST',
    'Access-Control-Request-Headers': headers,
  })

function expectReadable({ headers }: Response): void {
  expect(headers['access-control-allow-origin']).toBe(FRIEND)
  expect(headers.vary).toMatch(/\bOrigin\b/)
  expect(headers).not.toHaveProperty('access-control-allow-credentials')
}

describe('a page of an allowed site', () => {
  test('a page of an allowed site can read the status of a request and its response headers', async () => {
    const hash = await given([START])
    const answer = await api.get(statusOf(hash)).set(from(FRIEND)).expect(200)
    expectReadable(answer)
    const exposed = String(answer.headers['access-control-expose-headers']).toLowerCase().split(',')
    expect(exposed).toEqual(expect.arrayContaining(['etag', 'location', 'retry-after']))
  })

  test('a page of an allowed site can read the page of a request, also after a redirect', async () => {
    const hash = await given([START])
    const led = await api.get(`/services/request/progress/${hash}`).set(from(FRIEND)).expect(303)
    expectReadable(led)
    expectReadable(await api.get(String(led.headers.location)).set(from(FRIEND)).expect(200))
  })

  test('a page of an allowed site can submit a code by API and by form', async () => {
    const [byApi, byForm] = [await given([START, REQUIRE_OTP]), await given([START, REQUIRE_OTP])]
    const otp = { otp: '123456' }
    expectReadable(await api.post(`${SUBMIT}/${byApi}/otp`).set(from(FRIEND)).send(otp).expect(202))
    const sent = api.post(`/services/test-service/otp/${byForm}`).type('form').set(from(FRIEND)).send(otp)
    expectReadable(await sent.expect(303))
  })

  test('a preflight from an allowed site allows every header that the API reads', async () => {
    const names = ['authorization', 'content-type', 'idempotency-key', 'if-none-match', 'last-event-id']
    const answer = await preflight(SUBMIT, names.join(',')).expect(204)
    expectReadable(answer)
    const allowed = String(answer.headers['access-control-allow-headers']).toLowerCase().split(',')
    expect(allowed).toEqual(expect.arrayContaining(names))
    expect(answer.headers['access-control-allow-methods']).toContain('POST')
    expect(Number(answer.headers['access-control-max-age'])).toBeGreaterThan(0)
  })

  test('a page of an allowed site can read every error response', async () => {
    const hash = await given([START])
    const asFriend = (path: string, status: number) => api.get(path).set(from(FRIEND)).expect(status)
    expectReadable(await asFriend(statusOf(aHash()), 404))
    expectReadable(await asFriend(statusOf(aHash(Date.now() - 3600_000)), 410))
    expectReadable(await asFriend(`/services/request/progress/${aHash(Date.now() - 3600_000)}`, 410))
    expectReadable(await asFriend(`${SUBMIT}/${hash}/result`, 409))
    expectReadable(await api.post(SUBMIT).set(from(FRIEND)).send(CREDIT_SCORE).expect(202))
    const second = await api.post(SUBMIT).set(from(FRIEND)).send(CREDIT_SCORE).expect(429)
    expectReadable(second)
    expect(second.headers).toHaveProperty('retry-after')
  })

  test('the API sets no cookie for a page of an allowed site and allows no credentials', async () => {
    const answer = await api.get(statusOf(await given())).set(from(FRIEND))
    expect(answer.headers).not.toHaveProperty('set-cookie')
    expectReadable(answer)
  })
})

describe('a page of any other site', () => {
  test.each([STRANGER, 'null', `${FRIEND}.evil.example`, 'http://friend.example', `${FRIEND}:8443`])(
    'a page of another site, such as %s, can read nothing',
    async (origin) => {
      const hash = await given([START])
      for (const path of [statusOf(hash), `/services/test-service/progress/${hash}`]) {
        const { headers } = await api.get(path).set(from(origin)).expect(200)
        expect(headers).not.toHaveProperty('access-control-allow-origin')
        expect(headers.vary).toMatch(/\bOrigin\b/)
      }
      const response = await api
        .options(SUBMIT)
        .set({ ...from(origin), 'Access-Control-Request-Method': 'POST' })
      expect(response.headers).not.toHaveProperty('access-control-allow-origin')
    },
  )

  test('a page of another site can change nothing', async () => {
    const hash = await given([START, REQUIRE_OTP])
    const answer = await api.post(`${SUBMIT}/${hash}/cancel`).set(from(STRANGER)).expect(403)
    expect(answer.body.code).toBe('origin_not_allowed')
  })

  test('a page of another site can load the assets of the embedded element', async () => {
    const { headers } = await api.get('/assets/halfway-progress.js').set(from(STRANGER)).expect(200)
    expect(headers['access-control-allow-origin']).toBe('*')
    expect(headers['cross-origin-resource-policy']).toBe('cross-origin')
  })
})

test('no response has CORS headers when no site is allowed', async () => {
  const hash = await alone.given([START])
  const { headers } = await alone.api.get(statusOf(hash)).set(from(FRIEND)).expect(200)
  expect(Object.keys(headers).filter((name) => name.startsWith('access-control-'))).toEqual([])
})

// Last in this file, because its Redis stays down.
test.skipIf(!onRealRedis)('a page of an allowed site can read the 503 while Redis is down', async () => {
  const hash = await given([START])
  await redis.stop()
  expectReadable(await api.get(statusOf(hash)).set(from(FRIEND)).expect(503))
})
