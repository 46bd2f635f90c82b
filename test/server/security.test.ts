import { request as httpRequest } from 'node:http'
import { connect as connectTcp } from 'node:net'
import express from 'express'
import { io } from 'socket.io-client'
import supertest from 'supertest'
import { describe, expect, test } from 'vitest'
import { handleErrors } from '../../server/middleware/errors.ts'
import { keys } from '../helpers/keys.ts'
import { aHash, progressTo, REQUIRE_OTP, START } from '../helpers/record.ts'
import { useRedis } from '../helpers/redis.ts'
import { CREDIT_SCORE, collectLog, useServer } from '../helpers/server.ts'

const FRIEND = 'https://friend.example'
const { log, lines: logged } = collectLog()

const testRedis = await useRedis()
const redis = await testRedis.connections.connect('patient')
const { address, api, sessionCookie, given } = await useServer(testRedis, {
  settings: { ALLOWED_ORIGINS: FRIEND },
  log,
})
const { hostname, port, host } = new URL(address)

const SUBMIT = '/api/local-requests'
const FORM = '/services/credit-score-rating'
const asBrowser = { Accept: 'text/html,application/xhtml+xml,*/*;q=0.8' }

/** Sends a path unchanged, without a client that normalizes it. */
const sendPath = (
  path: string,
  { method = 'GET', headers = {} }: { method?: string; headers?: object } = {},
) =>
  new Promise<{ status: number; type: string; text: string; allow: string | undefined }>(
    (resolve, reject) => {
      const req = httpRequest({ hostname, port, path, method, headers: { ...headers } }, (res) => {
        let text = ''
        res.setEncoding('utf8').on('data', (chunk) => (text += chunk))
        res.on('end', () =>
          resolve({
            status: res.statusCode ?? 0,
            type: res.headers['content-type'] ?? '',
            text,
            allow: res.headers.allow,
          }),
        )
      })
      req.once('error', reject).end()
    },
  )

/** The server's whole response to these bytes. */
const sendBytes = (bytes: string): Promise<string> =>
  new Promise((resolve, reject) => {
    let text = ''
    const socket = connectTcp(Number(port), hostname, () => socket.write(bytes))
    socket.on('data', (chunk) => (text += chunk))
    socket.on('close', () => resolve(text))
    socket.on('error', reject)
  })

const expectNoInsides = (text: string): void =>
  expect(text).not.toMatch(/node_modules|\/work\/|\.ts\b|\bat [\w.<>]+ \(|Error:|ioredis|WRONGTYPE|EVALSHA/)

describe('every response', () => {
  test('every response has strict security headers and reveals no server software', async () => {
    const hash = await given([START])
    for (const [path, accept] of [
      ['/', 'text/html'],
      [FORM, 'text/html'],
      [`/services/test-service/progress/${hash}`, 'text/html'],
      ['/no-such-page', 'text/html'],
      ['/api/services', 'application/json'],
      [`/api/local-requests/${hash}/status`, 'application/json'],
      ['/api/no-such-call', 'application/json'],
      ['/assets/no-such-file.js', '*/*'],
    ] as const) {
      const { headers } = await api.get(path).set('Accept', accept)
      expect(headers['content-security-policy']?.split(';').sort(), path).toEqual([
        "base-uri 'none'",
        "connect-src 'self'",
        "default-src 'none'",
        "font-src 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "img-src 'self'",
        "manifest-src 'self'",
        "script-src 'self'",
        "style-src 'self'",
        "worker-src 'self'",
      ])
      expect(headers, path).toMatchObject({
        'referrer-policy': 'same-origin',
        'x-content-type-options': 'nosniff',
        'x-frame-options': 'DENY',
        'cross-origin-opener-policy': 'same-origin',
        'cross-origin-resource-policy': 'same-origin',
      })
      expect(headers, path).not.toHaveProperty('x-powered-by')
      expect(headers, path).not.toHaveProperty('server')
      expect(headers, path).not.toHaveProperty('access-control-allow-origin')
    }
  })

  test('every page complies with the content security policy: no inline script or style', async () => {
    const hash = await given([START, REQUIRE_OTP])
    for (const path of ['/', FORM, `/services/test-service/otp/${hash}`, '/no-such-page']) {
      const { text } = await api.get(path).set(asBrowser)
      expect(text, path).toContain('<!doctype html>')
      expect(text, path).not.toMatch(
        /<style|\sstyle=|\son[a-z]+=|javascript:|<script(?![^>]*\bsrc=)(?![^>]*\btype="application\/json")/i,
      )
    }
  })

  test('every response about one request is uncached, unindexed and sends no referrer to other sites', async () => {
    const hash = await given([START])
    const { headers } = await api.get(`/services/test-service/progress/${hash}`).set(asBrowser).expect(200)
    expect(headers).toMatchObject({
      'cache-control': 'no-store',
      'referrer-policy': 'same-origin',
      'x-robots-tag': 'noindex, nofollow',
    })
  })
})

describe('a cross-site call of a browser', () => {
  const foreign = [
    { Origin: 'https://evil.example' },
    { Origin: 'null' },
    { Origin: `http://${host}.evil.example` },
    { Origin: `http://evil.example#${host}` },
    { Origin: `http://${hostname}:1` },
    { Origin: 'https://friend.example.evil.example' },
    { Referer: 'https://evil.example/' },
    { Origin: '', Referer: 'https://evil.example/' },
    { Origin: 'http://outside.example', 'X-Forwarded-Host': 'inside.example' },
    { 'Sec-Fetch-Site': 'cross-site' },
  ]

  test.each(foreign)('a cross-site call changes nothing through the API: %o', async (headers) => {
    const hash = await given([START, REQUIRE_OTP])
    const before = await redis.get(keys.record(hash))
    const requests = await redis.llen(keys.list)
    for (const [path, body] of [
      [SUBMIT, CREDIT_SCORE],
      [`${SUBMIT}/${hash}/cancel`, {}],
      [`${SUBMIT}/${hash}/otp`, { otp: '123456' }],
      [`${SUBMIT}/${hash}/resend-otp`, {}],
    ] as const) {
      const res = await api.post(path).set(headers).send(body).expect(403)
      expect(res.body).toMatchObject({ status: 403, code: 'origin_not_allowed' })
    }
    expect(await redis.get(keys.record(hash))).toBe(before)
    expect(await redis.llen(keys.list)).toBe(requests)
  })

  test.each(foreign)('a cross-site form post is refused: %o', async (headers) => {
    const requests = await redis.llen(keys.list)
    const res = await api
      .post(FORM)
      .type('form')
      .set(asBrowser)
      .set(headers)
      .send(CREDIT_SCORE.request_data)
      .expect(403)
    expect(res.headers['content-type']).toMatch(/^text\/html/)
    expect(await redis.llen(keys.list)).toBe(requests)
    const hash = await given([START])
    await api.post(`/services/test-service/cancel/${hash}`).set(headers).expect(403)
    expect(JSON.parse((await redis.get(keys.record(hash))) ?? '').status).toBe('processing')
  })

  const opens = (extraHeaders: Record<string, string>): Promise<boolean> => {
    const socket = io(address, {
      transports: ['websocket'],
      forceNew: true,
      reconnection: false,
      extraHeaders,
    })
    return new Promise<boolean>((resolve) => {
      socket.once('connect', () => resolve(true))
      socket.once('connect_error', () => resolve(false))
    }).finally(() => socket.disconnect())
  }

  test.each(foreign)('a cross-site socket is refused: %o', async (headers) => {
    expect(await opens(headers as unknown as Record<string, string>)).toBe(false)
  })

  test('calls of own pages, allowed origins and programs pass the origin check', async () => {
    for (const headers of [
      { Origin: address, 'Sec-Fetch-Site': 'same-origin' },
      { Origin: FRIEND },
      {},
    ] as Record<string, string>[]) {
      await api.post(SUBMIT).set(headers).send(CREDIT_SCORE).expect(202)
      await api.post(FORM).type('form').set(headers).send(CREDIT_SCORE.request_data).expect(303)
      expect(await opens(headers)).toBe(true)
    }
  })

  test('the origin check uses X-Forwarded-Host of a trusted proxy only', async () => {
    const outside = { Origin: 'http://outside.example', 'X-Forwarded-Host': 'outside.example' }
    await api.post(SUBMIT).set(outside).send(CREDIT_SCORE).expect(202)
    await api
      .post(SUBMIT)
      .set({ ...outside, Origin: address })
      .send(CREDIT_SCORE)
      .expect(403)
    expect(await opens(outside)).toBe(true)
    const direct = await useServer(testRedis, { settings: { TRUST_PROXY: '0' } })
    await direct.api.post(SUBMIT).set(outside).send(CREDIT_SCORE).expect(403)
    await direct.stop()
  })

  test('a cross-site link to a page works', async () => {
    await api
      .get(FORM)
      .set({ ...asBrowser, 'Sec-Fetch-Site': 'cross-site' })
      .expect(200)
  })
})

describe('an error', () => {
  test('an unexpected error reveals no internals, as problem and as page', async () => {
    // No code expects an own record (by its suffix) with almost no fields.
    const hash = aHash()
    const empty = JSON.stringify({ hash, version: 1, status: 'processing', service_slug: 'test-service' })
    await redis.set(keys.record(hash), `${empty}\t`)
    const problem = await api.post(`/api/local-requests/${hash}/cancel`).expect(500)
    expect(problem.headers['content-type']).toMatch(/^application\/problem\+json/)
    expect(problem.body).toEqual({
      type: 'urn:halfway:problem:internal_error',
      title: expect.any(String),
      status: 500,
      code: 'internal_error',
      retryable: true,
      call_id: problem.headers['x-request-id'],
    })
    const page = await api.get(`/services/test-service/progress/${hash}`).set(asBrowser).expect(500)
    expect(page.headers['content-type']).toMatch(/^text\/html/)
    for (const { text } of [problem, page]) expectNoInsides(text)
    // The log has the cause for the operator.
    expect(logged.some((line) => line.includes('call failed') && line.includes('TypeError'))).toBe(true)
  })

  test('an error while rendering the error page becomes a plain problem', async () => {
    const app = express()
    const renderPage = () => {
      throw new TypeError('cannot read properties of undefined')
    }
    app.use(() => Promise.reject(new Error('first')), handleErrors({ log, onRefusal: () => {}, renderPage }))
    const res = await supertest(app).get('/').set(asBrowser).expect(500)
    expect(res.headers['content-type']).toMatch(/^application\/problem\+json/)
    expect(JSON.parse(res.text)).toMatchObject({ code: 'internal_error' })
    expectNoInsides(res.text)
  })

  test('an unreadable record is a problem with its code, without the stored value', async () => {
    const hash = aHash()
    await redis.set(keys.record(hash), 'secret-of-another-program')
    const res = await api.get(`${SUBMIT}/${hash}/status`).expect(500)
    expect(res.body.code).toBe('unreadable_record')
    expect(res.text).not.toContain('secret-of-another-program')
    await redis.del(keys.record(hash))
    await redis.lpush(keys.record(hash), 'secret-of-another-program')
    const wrongType = await api.get(`${SUBMIT}/${hash}/status`).expect(500)
    expect(wrongType.body.code).toBe('unreadable_record')
    expectNoInsides(wrongType.text)
  })

  test('every error is a problem for programs and a page for browsers', async () => {
    for (const path of [
      '/no-such-page',
      '/services/no-such-service',
      `${FORM}/progress/${aHash()}`,
      '/services',
      '/api',
    ]) {
      const problem = await api
        .get(path)
        .expect(404)
        .expect('Content-Type', /^application\/problem\+json/)
      expect(problem.body).toMatchObject({ status: 404, title: expect.stringMatching(/\w/) })
    }
    for (const path of ['/no-such-page', '/services/no-such-service', `${FORM}/progress/${aHash()}`]) {
      const page = await api
        .get(path)
        .set(asBrowser)
        .expect(404)
        .expect('Content-Type', /^text\/html/)
      expect(page.text).toContain('<h1')
    }
    for (const path of [
      '/api/no-such-call',
      '/api/local-requests/x/y/z',
      '/api/local-requests/req_short/status',
    ]) {
      await api
        .get(path)
        .expect(404)
        .expect('Content-Type', /^application\/problem\+json/)
      await api.post(path).send({}).expect(404)
    }
  })

  test('a malformed address is 400 or 404 and reveals no internals', async () => {
    for (const path of [
      '/%',
      '/%E0%A4%A',
      '/api/%zz',
      `${SUBMIT}/%E0%A4%A/status`,
      '/services/%E0%A4%A',
      '/services/%E0%A4%A/progress/x',
      '/assets/%E0%A4%A',
      '/%00',
      '//x',
      '/\\..\\',
      '/?%E0%A4%A=%',
    ]) {
      for (const headers of [{}, asBrowser]) {
        const { status, text } = await sendPath(path, { headers })
        if (path === '/?%E0%A4%A=%') expect(status, path).toBe(200)
        else expect([400, 404], path).toContain(status)
        expectNoInsides(text)
      }
    }
  })

  test('a very long address is 404 or 431 and the server keeps running', async () => {
    const long = await sendPath(`/${'a'.repeat(10_000)}`)
    expect(long.status).toBe(404)
    expect(long.text.length).toBeLessThan(2000)
    expect((await sendPath(`${SUBMIT}/req_${'a'.repeat(10_000)}/status`)).status).toBe(404)
    expect((await sendPath(`/${'a'.repeat(40_000)}`)).status).toBe(431)
    await api.get('/livez').expect(200)
  })

  test('an unknown method or malformed HTTP is a 4xx and the server keeps running', async () => {
    const hash = await given([START])
    for (const method of ['PROPFIND', 'TRACE', 'PURGE', 'OPTIONS', 'DELETE', 'SEARCH']) {
      const api = await sendPath(`${SUBMIT}/${hash}/status`, { method })
      expect([method, api.status, api.allow]).toEqual([method, 405, 'GET, HEAD'])
      for (const path of ['/', FORM, '/api/services', SUBMIT]) {
        const { status, text } = await sendPath(path, { method })
        expect([method, path, status >= 400 || method === 'OPTIONS']).toEqual([method, path, true])
        expectNoInsides(text)
      }
    }
    for (const bytes of [
      'NONSENSE / HTTP/1.1\r\nHost: x\r\n\r\n',
      'GET / HTTP/9.9\r\n\r\n',
      '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03',
      'GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n',
      'CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example\r\n\r\n',
    ]) {
      const answer = await sendBytes(bytes)
      expect(answer).toMatch(/^$|^HTTP\/1\.1 4\d\d /)
      expectNoInsides(answer)
    }
    await api.get('/livez').expect(200)
  })

  test('an error page escapes what it repeats of the call', async () => {
    const script = '<script>alert(1)</script>'
    for (const path of [
      `/${script}`,
      `/services/${script}`,
      `/services/${script}/progress/${aHash()}`,
      `${FORM}?x=${script}`,
    ]) {
      expect((await sendPath(path, { headers: asBrowser })).text).not.toContain(script)
      expect((await sendPath(encodeURI(path), { headers: asBrowser })).text).not.toContain(script)
    }
    const typed = await api
      .post(FORM)
      .type('form')
      .set(asBrowser)
      .redirects(1)
      .send({ mobile: `"><${script}`, national_code: script })
      .expect(422)
    expect(typed.text).not.toContain(script)
    const problem = await api.post(SUBMIT).set(asBrowser).send({ service_slug: script }).expect(404)
    expect(problem.headers).toMatchObject({
      'content-type': expect.stringMatching(/json/),
      'x-content-type-options': 'nosniff',
    })
  })
})

test("a bot's message is escaped on the page", async () => {
  const script = '<script>alert(1)</script>'
  const hash = await given([START, progressTo(10, script)])
  const page = await api.get(`/services/test-service/progress/${hash}`).set(asBrowser).expect(200)
  expect(page.text).not.toContain(script)
  expect(page.text).toContain('&lt;script')
})

test('bodies and forms over 64 kB are refused with 413', async () => {
  const large = 'x'.repeat(65 * 1024)
  expect((await api.post(SUBMIT).send({ large }).expect(413)).body.code).toBe('body_too_large')
  await api
    .post(FORM)
    .type('form')
    .set(asBrowser)
    .send({ large })
    .expect(413)
    .expect('Content-Type', /^text\/html/)
  const hash = await given([START, REQUIRE_OTP])
  await api
    .post(`/services/test-service/otp/${hash}`)
    .type('form')
    .set(asBrowser)
    .send({ otp: large })
    .expect(413)
})

test('no file outside the assets is served', async () => {
  for (const path of [
    '/assets/../package.json',
    '/assets/%2e%2e/package.json',
    '/assets/..%2f..%2fpackage.json',
    '/assets/.env',
    '/assets/',
    '/package.json',
    '/.env',
    '/server/main.ts',
  ]) {
    const { status, text } = await sendPath(path)
    expect([400, 403, 404], path).toContain(status)
    expectNoInsides(text)
    expect(text).not.toContain('"dependencies"')
  }
})

test('the session cookie is HttpOnly, SameSite and, over TLS, Secure', async () => {
  const plain = await api.get('/')
  expect(plain.headers['set-cookie']?.[0]).toMatch(
    /^halfway_session=[\w-]{21}\.\w{8}\.[\w-]{43}; Path=\/; HttpOnly; SameSite=Lax$/,
  )
  const behindTls = await api.get('/').set('X-Forwarded-Proto', 'https')
  expect(behindTls.headers['set-cookie']?.[0]).toMatch(
    /^__Host-halfway_session=\S+; Path=\/; HttpOnly; Secure; SameSite=Lax$/,
  )
  const [cookie] = (plain.headers['set-cookie']?.[0] ?? '').split(';')
  expect((await api.get('/').set('Cookie', cookie as string)).headers).not.toHaveProperty('set-cookie')
  for (const forged of [
    'short',
    'x'.repeat(22),
    'with space in it 12345',
    '{"$gt":""}1234567890a',
    'x'.repeat(21),
    `${'x'.repeat(21)}.${'y'.repeat(43)}`,
    `${'x'.repeat(21)}.mx23bua3.${'y'.repeat(43)}`,
  ]) {
    expect((await api.get('/').set('Cookie', `halfway_session=${forged}`)).headers).toHaveProperty(
      'set-cookie',
    )
  }
  expect((await api.get('/api/services')).headers).not.toHaveProperty('set-cookie')
})

test('no submitted data is logged', async () => {
  const session = 'logged-session-123456'
  await api
    .post(`${SUBMIT}?mobile=09123456789`)
    .set({
      Cookie: sessionCookie(session),
      Authorization: 'Bearer of-somebody',
      'Idempotency-Key': 'key-of-somebody',
    })
    .send(CREDIT_SCORE)
    .expect(202)
  await api
    .post(SUBMIT)
    .set('Content-Type', 'application/json')
    .send('{"mobile": "09123456789", ')
    .expect(400)
  const hash = await given([START, REQUIRE_OTP])
  await api.post(`${SUBMIT}/${hash}/otp`).send({ otp: '918273' }).expect(202)
  await api.post(`/services/test-service/otp/${hash}`).type('form').send({ otp: '918273' })
  const all = logged.join('')
  expect(all).toContain('request completed')
  for (const secret of ['09123456789', '0012345679', session, 'of-somebody', 'key-of-somebody', '918273'])
    expect(all).not.toContain(secret)
})
