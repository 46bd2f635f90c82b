/** The plain status call is answered before Express, with the same response. */
import { createHash } from 'node:crypto'
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Express, RequestHandler } from 'express'
import supertest, { type Response } from 'supertest'
import { describe, expect, test } from 'vitest'
import { AppError } from '../../core/domain/errors.ts'
import { captureHeaders } from '../../server/middleware/response-headers.ts'
import { createStatusFastPath } from '../../server/status-fast-path.ts'
import { cleanUp } from '../helpers/clean-up.ts'
import { keys } from '../helpers/keys.ts'
import { aHash, PRIVATE, progressTo, REQUIRE_OTP, START, TTL_SECONDS } from '../helpers/record.ts'
import { onRealRedis, useRedis } from '../helpers/redis.ts'
import { CREDIT_SCORE, collectLog, type TestServer, useServer } from '../helpers/server.ts'

const FRIEND = 'https://friend.example'
const STRANGER = 'https://stranger.example'
const SESSION = 'session-of-the-owner-'
const TOKEN = 'token-of-the-owner-0123456789-ab'
/** Variants without effect on the answer, which Express handles. */
const ANYTHING = ['wait=0', 'x=1']

const redis = await useRedis()
const client = await redis.connections.connect('patient')
const { log, lines } = collectLog('info')
const plain = await useServer(redis, { log })
const friendly = await useServer(redis, { settings: { ALLOWED_ORIGINS: FRIEND } })
const guarded = await useServer(redis, { settings: { OWNER_CHECK: 'all' } })

const statusOf = (hash: string): string => `/api/local-requests/${hash}/status`

/** The parts of a response that must be equal: all but the current time and the id of the call. */
function comparable({ status, headers, text }: Response) {
  const { date, 'x-request-id': id, ...others } = headers
  expect(date).toBeDefined()
  expect(id).toMatch(/^[0-9a-f-]{36}$/)
  const same = text.replace(/"estimated_remaining_time":\d+/, '').replace(`"call_id":"${id}"`, '')
  return { status, headers: others, text: same }
}

/** Calls the status plainly and in every variant, expects equal responses and returns the first. */
async function statusOfBoth(hash: string, headers: Record<string, string> = {}, server: TestServer = plain) {
  const answer = await server.api.get(statusOf(hash)).set(headers)
  for (const query of ANYTHING)
    expect(comparable(await server.api.get(`${statusOf(hash)}?${query}`).set(headers))).toEqual(
      comparable(answer),
    )
  return answer
}

const STATES = [
  ['pending', () => plain.given()],
  ['processing', () => plain.given([START, progressTo(40, 'حل کپچا...')])],
  ['otp_required', () => plain.given([START, REQUIRE_OTP])],
  ['completed', () => plain.given([START, { type: 'complete', attempt: 1, result: { score: 712 } }])],
  ['failed', () => plain.given([{ type: 'fail', error: { code: 'x', message: 'X', retryable: true } }])],
  ['cancelled', () => plain.given([{ type: 'cancel', by: 'user' }])],
] as const

describe('the fast path and Express answer a status call alike', () => {
  test.each(STATES)(
    'the fast path and Express give the same answer for a request that is %s',
    async (status, given) => {
      const answer = await statusOfBoth(await given())
      expect(answer.status).toBe(200)
      expect(answer.body).toMatchObject({ status })
      expect(answer.headers).toMatchObject({
        'content-type': 'application/json; charset=utf-8',
        'cache-control': 'no-store',
        'referrer-policy': 'same-origin',
        'x-content-type-options': 'nosniff',
        etag: expect.stringMatching(/^"\d+"$/),
      })
      expect(answer.headers['content-security-policy']).toContain("default-src 'none'")
    },
  )

  test('the fast path and Express give the same queue positions', async () => {
    for (const place of [1, 2, 3]) {
      const { hash } = (await plain.api.post('/api/local-requests').send(CREDIT_SCORE)).body
      expect((await statusOfBoth(hash)).body).toMatchObject({ status: 'pending', queue_position: place })
    }
  })

  test('the fast path and Express give the same answer for a record of another program', async () => {
    const hash = 'req_made-by-another-program'
    for (const progress of [30, 60]) {
      const foreign = JSON.stringify({ hash, service_slug: 'theirs', status: 'processing', progress })
      await client.setex(keys.record(hash), TTL_SECONDS, foreign)
      expect((await statusOfBoth(hash)).body).toMatchObject({ hash, progress })
    }
  })

  test.each(['"2"', 'W/"2"', '*', '"1", "2"'])(
    'the fast path and Express answer 304 to the matching tag %s',
    async (tag) => {
      const answer = await statusOfBoth(await plain.given([START]), { 'If-None-Match': tag })
      expect(answer.status).toBe(304)
      expect(answer.text).toBe('')
      expect(answer.headers).toMatchObject({ etag: '"2"', 'cache-control': 'no-store', 'retry-after': '2' })
    },
  )

  test.each(['"1"', 'nonsense', ''])('the fast path and Express answer 200 to the tag %j', async (tag) => {
    expect((await statusOfBoth(await plain.given([START]), { 'If-None-Match': tag })).status).toBe(200)
  })

  test('the fast path and Express give the same 404 for an unknown request or invalid hash', async () => {
    for (const hash of [aHash(), 'req_short', 'otp:%7Bx%7D', '%00', '*', `req_${'x'.repeat(65)}`]) {
      const answer = await statusOfBoth(hash)
      expect(answer.status).toBe(404)
      expect(answer.body).toMatchObject({ code: 'request_not_found' })
      expect(answer.headers['content-type']).toMatch(/^application\/problem\+json/)
    }
  })

  test('the fast path and Express give the same 410 for an expired request', async () => {
    const answer = await statusOfBoth(aHash(Date.now() - TTL_SECONDS * 1000))
    expect(answer.status).toBe(410)
    expect(answer.body).toMatchObject({ code: 'request_expired' })
  })

  test('the fast path and Express give the same 500 for an unreadable record and log it with its route', async () => {
    const [typed, invalid] = [aHash(), aHash()]
    await client.lpush(keys.record(typed), 'not a text')
    await client.set(keys.record(invalid), 'nonsense')
    for (const hash of [typed, invalid]) {
      lines.length = 0
      const answer = await statusOfBoth(hash)
      expect(answer.status).toBe(500)
      expect(answer.body).toMatchObject({ code: 'unreadable_record' })
      const failed = lines.map((line) => JSON.parse(line)).filter(({ msg }) => msg === 'call failed')
      expect(failed).toHaveLength(1 + ANYTHING.length)
      for (const { route, err } of failed) {
        expect(route).toMatch(/\/:hash\/status$/)
        expect(err).toMatchObject({ error_code: 'unreadable_record' })
      }
    }
  })

  test('the fast path and Express answer in the same language, also with errors', async () => {
    const persian = await statusOfBoth(aHash(), { 'Accept-Language': 'fa' })
    const english = await statusOfBoth(aHash(), { 'Accept-Language': 'en' })
    expect(persian.body.title).not.toBe(english.body.title)
  })

  test("the fast path and Express give the same answer with a browser's cookies and headers", async () => {
    const hash = await plain.given([START])
    const answer = await statusOfBoth(hash, {
      Cookie: `halfway_session=${SESSION}`,
      Accept: 'text/html',
      'Sec-Fetch-Site': 'cross-site',
    })
    expect(answer.status).toBe(200)
    expect(answer.headers).not.toHaveProperty('set-cookie')
  })
})

test('the fast path answers without private fields in every state', async () => {
  for (const [, given] of STATES) {
    const { text, headers } = await plain.api.get(statusOf(await given())).expect(200)
    for (const hidden of [...Object.values(PRIVATE), 'request_data', 'user_id', 'session_id', 'owner_hash'])
      expect(text + JSON.stringify(headers)).not.toContain(hidden)
  }
})

describe('HEAD', () => {
  test('a HEAD of the status has the headers of GET and no body', async () => {
    const hash = await plain.given([START])
    const { headers, text } = await plain.api.head(statusOf(hash)).expect(200)
    expect(text).toBeUndefined()
    const { headers: whole } = await plain.api.get(statusOf(hash)).expect(200)
    expect({ ...headers, date: 0 }).toEqual({ ...whole, date: 0, 'x-request-id': headers['x-request-id'] })
  })

  test.each(['post', 'put', 'patch', 'delete', 'options'] as const)(
    'the method %s on the status is refused with 405',
    async (method) => {
      const { headers, body } = await plain.api[method](statusOf(await plain.given())).expect(405)
      expect(headers.allow).toBe('GET, HEAD')
      expect(body).toMatchObject({ code: 'method_not_allowed' })
    },
  )
})

describe('with OWNER_CHECK=all', () => {
  const owned = () =>
    guarded.given([START], {
      session_id: SESSION,
      owner_hash: createHash('sha256').update(TOKEN).digest('base64url'),
    })

  test.each([
    ['no credentials', {}],
    ["another session's cookie", { Cookie: guarded.sessionCookie('session-of-a-stranger') }],
    ['another token', { Authorization: `Bearer ${'x'.repeat(32)}` }],
  ])(
    'OWNER_CHECK=all: the status is refused to a stranger with %s',
    async (_what, headers: Record<string, string>) => {
      const answer = await statusOfBoth(await owned(), headers, guarded)
      expect(answer.status).toBe(403)
      expect(answer.body).toMatchObject({ code: 'not_owner' })
      expect(answer.text).not.toContain('processing')
    },
  )

  test.each([
    ['cookie', { Cookie: guarded.sessionCookie(SESSION) }],
    ['token', { Authorization: `Bearer ${TOKEN}` }],
  ])(
    'OWNER_CHECK=all: the owner gets the status with their %s',
    async (_what, headers: Record<string, string>) => {
      const answer = await statusOfBoth(await owned(), headers, guarded)
      expect(answer.status).toBe(200)
      expect(answer.body).toMatchObject({ status: 'processing' })
    },
  )
})

describe('with ALLOWED_ORIGINS', () => {
  test('ALLOWED_ORIGINS: a status call without Origin varies on Origin', async () => {
    const answer = await statusOfBoth(await friendly.given([START]), {}, friendly)
    expect(answer.status).toBe(200)
    expect(answer.headers.vary).toMatch(/\bOrigin\b/)
    expect(answer.headers).not.toHaveProperty('access-control-allow-origin')
  })

  test('ALLOWED_ORIGINS: a page of an allowed site can read the status and its errors', async () => {
    for (const hash of [await friendly.given([START]), aHash()]) {
      const { headers } = await statusOfBoth(
        hash,
        { Origin: FRIEND, 'Sec-Fetch-Site': 'cross-site' },
        friendly,
      )
      expect(headers['access-control-allow-origin']).toBe(FRIEND)
      expect(headers.vary).toMatch(/\bOrigin\b/)
      expect(headers['access-control-expose-headers']?.toLowerCase()).toContain('etag')
      expect(headers).not.toHaveProperty('access-control-allow-credentials')
    }
  })

  test('ALLOWED_ORIGINS: a page of another site cannot read the status', async () => {
    const { headers } = await statusOfBoth(await friendly.given([START]), { Origin: STRANGER }, friendly)
    expect(headers).not.toHaveProperty('access-control-allow-origin')
  })

  test('without ALLOWED_ORIGINS a status call does not vary on Origin', async () => {
    const { headers } = await statusOfBoth(await plain.given([START]), { Origin: FRIEND })
    expect(headers.vary ?? '').not.toMatch(/\bOrigin\b/)
    expect(headers).not.toHaveProperty('access-control-allow-origin')
  })
})

describe('which calls take the fast path', () => {
  const always: RequestHandler = (_req, res, next) => {
    res.setHeader('X-Always', 'yes')
    next()
  }
  const served = async (answer: (hash: string) => Promise<void>) => {
    const app: RequestListener = (_req, res) => void res.end('by Express')
    const listener = createStatusFastPath(
      app as Express,
      async (res, { hash, tags, after, waitSeconds }, headers = []) => {
        await answer(hash)
        res.writeHead(200, [...headers]).end(JSON.stringify({ hash, tags, after, waitSeconds }))
      },
      { headers: captureHeaders(always), refuseHost: () => null, countRead: () => {} },
    )
    const http: Server = createServer(listener)
    await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
    cleanUp(() => void http.close())
    return supertest(`http://127.0.0.1:${(http.address() as AddressInfo).port}`)
  }

  test('a plain status call is answered before Express', async () => {
    const api = await served(async () => {})
    const hash = aHash()
    const { text, headers } = await api.get(statusOf(hash)).set('If-None-Match', '"3", W/"7"')
    expect(JSON.parse(text)).toEqual({ hash, tags: ['"3"', '"7"'], after: 7, waitSeconds: 0 })
    expect(headers['x-always']).toBe('yes')
  })

  test('a status call with options, another method or another path goes to Express', async () => {
    const reached: string[] = []
    const api = await served(async (hash) => void reached.push(hash))
    const hash = aHash()
    const calls = [
      api.head(statusOf(hash)),
      api.post(statusOf(hash)),
      api.get(statusOf(hash)).set('Origin', FRIEND),
      ...ANYTHING.map((query) => api.get(`${statusOf(hash)}?${query}`)),
      api.get(`${statusOf(hash)}/`),
      api.get(statusOf(hash).toUpperCase()),
      api.get(`/api/local-requests/${hash}`),
      api.get(`/api/local-requests/${hash}/events`),
      api.get(`/api/local-requests/${hash}/x/status`),
      api.get(`/api/local-requests/x/${hash}/status`),
      api.get(`/api/local-requests/${hash}?a=/status`),
      api.get('/api/local-requests/status'),
      api.get('/api/local-requests/req_short/status'),
    ]
    for (const call of calls) expect((await call).text || 'by Express').toBe('by Express')
    expect(reached).toEqual([])
  })

  test('all status calls go to Express with debug logs or OWNER_CHECK=all', async () => {
    const logging = await useServer(redis, { log: collectLog('debug').log })
    const byExpress = async (server: TestServer, query = ''): Promise<boolean> => {
      const seen = new Promise<boolean>((resolve) => {
        // Express adds properties to the requests it handles.
        server.http.once('request', (_req, res) => resolve('app' in res))
      })
      await server.api.get(`${statusOf(aHash())}${query}`)
      return seen
    }
    expect(await byExpress(plain)).toBe(false)
    expect(await byExpress(friendly)).toBe(false)
    expect(await byExpress(plain, '?wait=0')).toBe(true)
    expect(await byExpress(guarded)).toBe(true)
    expect(await byExpress(logging)).toBe(true)
  })

  test('a status call that fails on the fast path is answered by Express', async () => {
    const api = await served(async () => {
      throw new AppError('storage_unavailable')
    })
    expect((await api.get(statusOf(aHash()))).text).toBe('by Express')
  })
})

// Last in this file, because its Redis restarts empty.
test.runIf(onRealRedis)(
  'while Redis is down the fast path and Express answer 503, and again normally once it is back',
  async () => {
    const hash = await plain.given([START])
    await redis.stop()
    const answer = await plain.api.get(statusOf(hash))
    expect(comparable(await plain.api.get(`${statusOf(hash)}?wait=0`))).toEqual(comparable(answer))
    expect(answer.status).toBe(503)
    expect(answer.body).toMatchObject({ code: 'storage_unavailable', retryable: true })
    expect(answer.headers).toMatchObject({ 'retry-after': '5', 'cache-control': 'no-store' })
    await redis.restart()
    // The restarted Redis is empty, so 404 is its answer.
    await expect
      .poll(async () => (await statusOfBoth(hash)).status, { timeout: 5000, interval: 20 })
      .toBe(404)
  },
)
