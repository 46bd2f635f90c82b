/** The plain status call is answered before Express sees it, and nobody can tell. */
import { createHash } from 'node:crypto'
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Express, RequestHandler } from 'express'
import supertest, { type Response } from 'supertest'
import { describe, expect, test } from 'vitest'
import { AppError } from '../../core/domain/errors.ts'
import { captureHeaders, createStatusFastPath } from '../../server/status-fast-path.ts'
import { cleanUp } from '../helpers/clean-up.ts'
import { keys } from '../helpers/names.ts'
import { ASK, aHash, PRIVATE, START, step, TTL_SECONDS } from '../helpers/record.ts'
import { onRealRedis, useRedis } from '../helpers/redis.ts'
import { CREDIT_SCORE, collectLog, type TestServer, useServer } from '../helpers/server.ts'

const FRIEND = 'https://friend.example'
const STRANGER = 'https://stranger.example'
const SESSION = 'session-of-the-owner-'
const TOKEN = 'token-of-the-owner-0123456789-ab'
/** What changes nothing, and is left to Express. */
const ANYTHING = ['wait=0', 'x=1']

const redis = await useRedis()
const client = await redis.connections.connect('patient')
const { log, lines } = collectLog('info')
const plain = await useServer(redis, { log })
const friendly = await useServer(redis, { settings: { ALLOWED_ORIGINS: FRIEND } })
const guarded = await useServer(redis, { settings: { OWNER_CHECK: 'all' } })

const statusOf = (hash: string): string => `/api/local-requests/${hash}/status`

/** What has to be the same, whoever answers: all but the present moment. */
function told({ status, headers, text }: Response) {
  const { date, ...others } = headers
  expect(date).toBeDefined()
  return { status, headers: others, text: text.replace(/"estimated_remaining_time":\d+/, '') }
}

/** Asks plainly and in each other form, sees that they are told the same, and returns the answer. */
async function asked(hash: string, headers: Record<string, string> = {}, server: TestServer = plain) {
  const answer = await server.api.get(statusOf(hash)).set(headers)
  for (const query of ANYTHING)
    expect(told(await server.api.get(`${statusOf(hash)}?${query}`).set(headers))).toEqual(told(answer))
  return answer
}

const STATES = [
  ['pending', () => plain.given()],
  ['processing', () => plain.given([START, step(40, 'حل کپچا...')])],
  ['otp_required', () => plain.given([START, ASK])],
  ['completed', () => plain.given([START, { type: 'complete', attempt: 1, result: { score: 712 } }])],
  ['failed', () => plain.given([{ type: 'fail', error: { code: 'x', message: 'X', retryable: true } }])],
  ['cancelled', () => plain.given([{ type: 'cancel', by: 'user' }])],
] as const

describe('the plain status call and one that Express answers are told the same', () => {
  test.each(STATES)('of a request that is %s', async (status, given) => {
    const answer = await asked(await given())
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
  })

  test('of requests that wait, with their places in the queue', async () => {
    for (const place of [1, 2, 3]) {
      const { hash } = (await plain.api.post('/api/local-requests').send(CREDIT_SCORE)).body
      expect((await asked(hash)).body).toMatchObject({ status: 'pending', queue_position: place })
    }
  })

  test('of a request that another program has made, and changed', async () => {
    const hash = 'req_made-by-another-program'
    for (const progress of [30, 60]) {
      const theirs = JSON.stringify({ hash, service_slug: 'theirs', status: 'processing', progress })
      await client.setex(keys.record(hash), TTL_SECONDS, theirs)
      expect((await asked(hash)).body).toMatchObject({ hash, progress })
    }
  })

  test.each(['"2"', 'W/"2"', '*', '"1", "2"'])('with the tag %s: 304', async (tag) => {
    const answer = await asked(await plain.given([START]), { 'If-None-Match': tag })
    expect(answer.status).toBe(304)
    expect(answer.text).toBe('')
    expect(answer.headers).toMatchObject({ etag: '"2"', 'cache-control': 'no-store', 'retry-after': '2' })
  })

  test.each(['"1"', 'nonsense', ''])('with the tag %j: the whole', async (tag) => {
    expect((await asked(await plain.given([START]), { 'If-None-Match': tag })).status).toBe(200)
  })

  test('of one that never was, or whose name no request has: 404', async () => {
    for (const hash of [aHash(), 'req_short', 'otp:%7Bx%7D', '%00', '*', `req_${'x'.repeat(65)}`]) {
      const answer = await asked(hash)
      expect(answer.status).toBe(404)
      expect(answer.body).toMatchObject({ code: 'request_not_found' })
      expect(answer.headers['content-type']).toMatch(/^application\/problem\+json/)
    }
  })

  test('of one that is over: 410', async () => {
    const answer = await asked(aHash(Date.now() - TTL_SECONDS * 1000))
    expect(answer.status).toBe(410)
    expect(answer.body).toMatchObject({ code: 'request_expired' })
  })

  test('where there is no text under its key, or nonsense: 500, and where it failed is logged', async () => {
    const [typed, nonsense] = [aHash(), aHash()]
    await client.lpush(keys.record(typed), 'not a text')
    await client.set(keys.record(nonsense), 'nonsense')
    for (const hash of [typed, nonsense]) {
      lines.length = 0
      const answer = await asked(hash)
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

  test('in the language of whoever asks, also where it is refused', async () => {
    const persian = await asked(aHash(), { 'Accept-Language': 'fa' })
    const english = await asked(aHash(), { 'Accept-Language': 'en' })
    expect(persian.body.title).not.toBe(english.body.title)
  })

  test('whatever cookies and headers of a browser come along', async () => {
    const hash = await plain.given([START])
    const answer = await asked(hash, {
      Cookie: `halfway_session=${SESSION}`,
      Accept: 'text/html',
      'Sec-Fetch-Site': 'cross-site',
    })
    expect(answer.status).toBe(200)
    expect(answer.headers).not.toHaveProperty('set-cookie')
  })
})

test('the plain status tells nothing private, in no state', async () => {
  for (const [, given] of STATES) {
    const { text, headers } = await plain.api.get(statusOf(await given())).expect(200)
    for (const hidden of [...Object.values(PRIVATE), 'request_data', 'user_id', 'session_id', 'owner_hash'])
      expect(text + JSON.stringify(headers)).not.toContain(hidden)
  }
})

describe('another method', () => {
  test('HEAD is told the headers of GET, and no more', async () => {
    const hash = await plain.given([START])
    const { headers, text } = await plain.api.head(statusOf(hash)).expect(200)
    expect(text).toBeUndefined()
    const { headers: whole } = await plain.api.get(statusOf(hash)).expect(200)
    expect({ ...headers, date: 0 }).toEqual({ ...whole, date: 0 })
  })

  test.each(['post', 'put', 'patch', 'delete', 'options'] as const)('%s is refused: 405', async (method) => {
    const { headers, body } = await plain.api[method](statusOf(await plain.given())).expect(405)
    expect(headers.allow).toBe('GET, HEAD')
    expect(body).toMatchObject({ code: 'method_not_allowed' })
  })
})

describe('with OWNER_CHECK=all', () => {
  const owned = () =>
    guarded.given([START], {
      session_id: SESSION,
      owner_hash: createHash('sha256').update(TOKEN).digest('base64url'),
    })

  test.each([
    ['nothing', {}],
    ['a strange cookie', { Cookie: guarded.cookieOf('session-of-a-stranger') }],
    ['a strange token', { Authorization: `Bearer ${'x'.repeat(32)}` }],
  ])('a stranger with %s is refused, and learns nothing', async (_what, headers: Record<string, string>) => {
    const answer = await asked(await owned(), headers, guarded)
    expect(answer.status).toBe(403)
    expect(answer.body).toMatchObject({ code: 'not_owner' })
    expect(answer.text).not.toContain('processing')
  })

  test.each([
    ['cookie', { Cookie: guarded.cookieOf(SESSION) }],
    ['token', { Authorization: `Bearer ${TOKEN}` }],
  ])('the owner is answered by their %s', async (_what, headers: Record<string, string>) => {
    const answer = await asked(await owned(), headers, guarded)
    expect(answer.status).toBe(200)
    expect(answer.body).toMatchObject({ status: 'processing' })
  })
})

describe('with ALLOWED_ORIGINS', () => {
  test('whoever names no site is told that the answer depends on it', async () => {
    const answer = await asked(await friendly.given([START]), {}, friendly)
    expect(answer.status).toBe(200)
    expect(answer.headers.vary).toMatch(/\bOrigin\b/)
    expect(answer.headers).not.toHaveProperty('access-control-allow-origin')
  })

  test('a page of an allowed site may read it, also why it was refused', async () => {
    for (const hash of [await friendly.given([START]), aHash()]) {
      const { headers } = await asked(hash, { Origin: FRIEND, 'Sec-Fetch-Site': 'cross-site' }, friendly)
      expect(headers['access-control-allow-origin']).toBe(FRIEND)
      expect(headers.vary).toMatch(/\bOrigin\b/)
      expect(headers['access-control-expose-headers']?.toLowerCase()).toContain('etag')
      expect(headers).not.toHaveProperty('access-control-allow-credentials')
    }
  })

  test('a page of another site may not', async () => {
    const { headers } = await asked(await friendly.given([START]), { Origin: STRANGER }, friendly)
    expect(headers).not.toHaveProperty('access-control-allow-origin')
  })

  test('without it nothing depends on the site', async () => {
    const { headers } = await asked(await plain.given([START]), { Origin: FRIEND })
    expect(headers.vary ?? '').not.toMatch(/\bOrigin\b/)
    expect(headers).not.toHaveProperty('access-control-allow-origin')
  })
})

describe('who answers', () => {
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
      captureHeaders(always),
    )
    const http: Server = createServer(listener)
    await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
    cleanUp(() => void http.close())
    return supertest(`http://127.0.0.1:${(http.address() as AddressInfo).port}`)
  }

  test('is not Express where it is asked plainly', async () => {
    const api = await served(async () => {})
    const hash = aHash()
    const { text, headers } = await api.get(statusOf(hash)).set('If-None-Match', '"3", W/"7"')
    expect(JSON.parse(text)).toEqual({ hash, tags: ['"3"', '"7"'], after: 7, waitSeconds: 0 })
    expect(headers['x-always']).toBe('yes')
  })

  test('is Express for all else', async () => {
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

  test('is Express where calls are logged, or nobody else may read', async () => {
    const logging = await useServer(redis, { log: collectLog('debug').log })
    const byExpress = async (server: TestServer, query = ''): Promise<boolean> => {
      const seen = new Promise<boolean>((resolve) => {
        // Express hangs itself on what it takes.
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

  test('is Express where it could not be answered', async () => {
    const api = await served(async () => {
      throw new AppError('storage_unavailable')
    })
    expect((await api.get(statusOf(aHash()))).text).toBe('by Express')
  })
})

// Last: the Redis of this file comes back empty.
test.runIf(onRealRedis)('while Redis is away both say so, and answer once it is back', async () => {
  const hash = await plain.given([START])
  await redis.goAway()
  const answer = await plain.api.get(statusOf(hash))
  expect(told(await plain.api.get(`${statusOf(hash)}?wait=0`))).toEqual(told(answer))
  expect(answer.status).toBe(503)
  expect(answer.body).toMatchObject({ code: 'storage_unavailable', retryable: true })
  expect(answer.headers).toMatchObject({ 'retry-after': '5', 'cache-control': 'no-store' })
  await redis.comeBack()
  // Nothing is left there of it, and the 404 is an answer of Redis.
  await expect.poll(async () => (await asked(hash)).status, { timeout: 5000, interval: 20 }).toBe(404)
})
