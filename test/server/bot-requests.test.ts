/** The API with which bots report on requests and wait for answers. */
import { describe, expect, it } from 'vitest'
import { createCatalog } from '../../core/catalog/catalog.ts'
import type { Command } from '../../core/domain/command.ts'
import { isFinal } from '../../core/domain/record.ts'
import { DEVELOPMENT_TOKEN } from '../../core/runtime/config.ts'
import { eventually } from '../helpers/eventually.ts'
import { keys } from '../helpers/keys.ts'
import { aHash, PRIVATE, REQUIRE_OTP, START, TTL_SECONDS } from '../helpers/record.ts'
import { onRealRedis, useRedis } from '../helpers/redis.ts'
import { collectLog, useServer } from '../helpers/server.ts'

const OWNER_TOKEN = 'token-of-the-owner'
const OTHER_TOKEN = 'token-of-another-bot'
const redis = await useRedis()
const { log, lines } = collectLog()
const server = await useServer(redis, {
  log,
  settings: { BOT_TOKENS: `owner:${OWNER_TOKEN},other:${OTHER_TOKEN}` },
  services: createCatalog([], new Map([['test-service', 'owner']])),
})
const client = await redis.connections.connect('patient')

interface CallOptions {
  attempt?: string | null
  token?: string
  body?: unknown
  on?: string
}
const call = async (
  method: 'GET' | 'POST' | 'HEAD' | 'DELETE',
  hash: string,
  what: string,
  { attempt = '1', token = OWNER_TOKEN, body, on = server.address }: CallOptions = {},
) => {
  const response = await fetch(`${on}/api/bots/requests/${hash}/${what}`.replace(/\/$/, ''), {
    method,
    headers: {
      authorization: `Bearer ${token}`,
      ...(attempt !== null && { 'x-attempt': attempt }),
      ...(body !== undefined && { 'content-type': 'application/json' }),
    },
    ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  })
  const text = await response.text()
  return {
    status: response.status,
    headers: response.headers,
    body: text === '' ? null : (JSON.parse(text) as Record<string, unknown>),
  }
}
const report = (hash: string, what: string, body: unknown = {}, options: CallOptions = {}) =>
  call('POST', hash, what, { ...options, body })
const poll = (hash: string, what: string, options: CallOptions = {}) => call('GET', hash, what, options)
const view = async (hash: string) => (await server.api.get(`/api/local-requests/${hash}/status`)).body
const CODE = '483920'
const submitCode = (hash: string) =>
  server.api.post(`/api/local-requests/${hash}/otp`).send({ otp: CODE }).expect(202)
/** Resolves once the server watches the request for a long poll. */
const watched = (hash: string) =>
  eventually(async () => {
    const [, count] = (await client.pubsub('NUMSUB', keys.channel(hash))) as [string, number]
    expect(Number(count)).toBe(1)
  })

describe('the reports of a bot', () => {
  it('a request is reported from its first step to its result', async () => {
    const hash = await server.given([START])
    const progress = { progress: 20, step: 'first', message: 'Signing in…', message_key: 'signing_in' }
    expect((await report(hash, 'progress', progress)).body).toEqual({ status: 'processing', version: 3 })
    expect(await view(hash)).toMatchObject({ progress: 20, step: 'first', message_key: 'signing_in' })

    const asked = await report(hash, 'ask', { length: 6, sent_to: '0912***4567', expires_in: 90 })
    expect(asked.body).toEqual({
      id: expect.any(String),
      expires_at: (await view(hash)).otp_data.expires_at,
      expires_in: 90,
    })
    expect(await view(hash)).toMatchObject({ status: 'otp_required', otp_data: { length: 6 } })
    await submitCode(hash)
    expect(await poll(hash, 'answer')).toMatchObject({ status: 200, body: { answer: CODE } })

    const completed = await report(hash, 'complete', { result: { score: 712 } })
    expect(completed).toMatchObject({ status: 200, body: { status: 'completed' } })
    expect(await view(hash)).toMatchObject({ progress: 100, result_data: { score: 712 } })
  })

  it('a failure has its code, its message and whether a retry can help', async () => {
    const hash = await server.given([START])
    const failure = { code: 'portal_closed', message: 'The portal is closed.', retryable: true }
    expect(await report(hash, 'fail', failure)).toMatchObject({ status: 200, body: { status: 'failed' } })
    expect(await view(hash)).toMatchObject({ status: 'failed', error_data: failure })
  })

  it('reject asks again while tries are left', async () => {
    const hash = await server.given([START])
    const answers: unknown[] = []
    await report(hash, 'ask')
    for (let i = 0; i < 3; i++) {
      await submitCode(hash)
      await poll(hash, 'answer')
      answers.push((await report(hash, 'reject', { message: 'That was wrong.' })).body)
    }
    expect(answers).toEqual([
      { asks_again: true, attempts_left: 2 },
      { asks_again: true, attempts_left: 1 },
      { asks_again: false, attempts_left: 0 },
    ])
    expect(await view(hash)).toMatchObject({ error_data: { code: 'otp_attempts_exhausted' } })
  })

  it.each([
    ['a result over 256 kB', 'x'.repeat(300_000), 413, 'result_too_large'],
    ['a number that JSON cannot carry', [2 ** 60], 502, 'bot_bad_answer'],
  ])('%s fails the request with its code', async (_what, result, status, code) => {
    const hash = await server.given([START])
    expect(await report(hash, 'complete', { result })).toMatchObject({ status, body: { code } })
    expect(await view(hash)).toMatchObject({ status: 'failed', error_data: { code, retryable: false } })
  })

  it('a null result and a result with many members are stored', async () => {
    for (const result of [null, Object.fromEntries(Array.from({ length: 900 }, (_, i) => [`row${i}`, i]))]) {
      const hash = await server.given([START])
      expect((await report(hash, 'complete', { result })).status).toBe(200)
      expect((await view(hash)).result_data).toEqual(result)
    }
  })

  it('a repeated complete is refused as already final', async () => {
    const hash = await server.given([START])
    await report(hash, 'complete', { result: 1 })
    const again = await report(hash, 'complete', { result: 2 })
    expect(again).toMatchObject({ status: 409, body: { code: 'already_final' } })
    expect(await view(hash)).toMatchObject({ result_data: 1 })
  })
})

describe('what is refused', () => {
  const everyCall = [
    ['POST', 'progress', { progress: 10 }],
    ['POST', 'heartbeat', undefined],
    ['POST', 'ask', {}],
    ['GET', 'answer', undefined],
    ['POST', 'reject', {}],
    ['POST', 'complete', { result: 1 }],
    ['POST', 'fail', { code: 'closed' }],
    ['GET', 'control', undefined],
  ] as const

  it.each(everyCall)(
    '%s %s without an attempt, or with one that is no number',
    async (method, what, body) => {
      const hash = await server.given([START, REQUIRE_OTP])
      for (const attempt of [null, '', 'one', '1.5', '-1', '9'.repeat(12)]) {
        const refused = await call(method, hash, what, { attempt, body })
        expect(refused).toMatchObject({ status: 422, body: { code: 'validation_failed' } })
        expect(refused.headers.get('content-type')).toContain('application/problem+json')
      }
      expect((await view(hash)).version).toBe(3)
    },
  )

  it.each(everyCall)('%s %s of an attempt that was taken over', async (method, what, body) => {
    const hash = await server.given([START, { type: 'start', attempt: 2 }])
    const stale = await call(method, hash, what, { body })
    if (what === 'control') expect(stale.body).toEqual({ stop: 'stale_attempt' })
    else expect(stale).toMatchObject({ status: 409, body: { code: 'stale_attempt' } })
    expect(await view(hash)).toMatchObject({ version: 3, attempt: 2, bot_seen_at: null })
  })

  it.each(everyCall)('%s %s of a request that was cancelled', async (method, what, body) => {
    const hash = await server.given([START, { type: 'cancel', by: 'user' }])
    const late = await call(method, hash, what, { body })
    if (what === 'control') expect(late.body).toEqual({ stop: 'already_final' })
    else expect(late).toMatchObject({ status: 409, body: { code: 'already_final' } })
  })

  it.each([...everyCall, ['GET', '', undefined] as const])(
    '%s %s with an invalid token, for the service of another bot, and of an unknown request',
    async (method, what, body) => {
      const hash = await server.given([START, REQUIRE_OTP])
      const wrong = await call(method, hash, what, { body, token: 'not-a-token-at-all' })
      expect(wrong).toMatchObject({ status: 401, body: { code: 'unauthorized' } })
      const foreign = await call(method, hash, what, { body, token: OTHER_TOKEN })
      expect(foreign).toMatchObject({ status: 404, body: { code: 'request_not_found' } })
      for (const unknown of [aHash(), 'no-hash', 'req_%00'])
        expect(await call(method, unknown, what, { body })).toMatchObject({ status: 404 })
      expect((await view(hash)).version).toBe(3)
    },
  )

  it.each(everyCall)('%s %s of an expired request', async (method, what, body) => {
    const expired = await call(method, aHash(Date.now() - 2 * TTL_SECONDS * 1000), what, { body })
    if (what === 'control') expect(expired.body).toEqual({ stop: 'request_expired' })
    else expect(expired).toMatchObject({ status: 410, body: { code: 'request_expired' } })
  })

  it('the default token may report on every request', async () => {
    const hash = await server.given([START], { service_slug: 'of-nobody' })
    const body = { progress: 10 }
    expect((await report(hash, 'progress', body, { token: DEVELOPMENT_TOKEN })).status).toBe(200)
    expect((await report(hash, 'progress', body)).status).toBe(404)
  })

  it.each([
    ['progress', '[]', 400],
    ['progress', '{"progress":', 400],
    ['progress', {}, 422],
    ['progress', { progress: 'half' }, 422],
    ['progress', { progress: null }, 422],
    ['progress', { progress: 1, message: 7 }, 422],
    ['progress', { progress: 1, other: 1 }, 422],
    ['progress', { progress: 1, parts: [{ id: 'a', state: 'odd' }] }, 422],
    ['progress', { progress: 1, step: 'x'.repeat(100_000) }, 413],
    ['ask', { length: 1 }, 422],
    ['ask', { kind: 'password' }, 422],
    ['ask', { expires_in: 0 }, 422],
    ['complete', {}, 422],
    ['complete', { result: 'x'.repeat(1_100_000) }, 413],
    ['fail', { message: 'Closed.' }, 422],
    ['fail', { code: '' }, 422],
  ])('%s with %j', async (what, body, status) => {
    const hash = await server.given([START])
    const refused = await report(hash, what, body)
    expect(refused.status).toBe(status)
    expect(refused.headers.get('cache-control')).toBe('no-store')
    expect((await view(hash)).version).toBe(2)
  })

  it('an invalid question, with the place of each mistake', async () => {
    const hash = await server.given([START])
    const options = [{ value: 'a', label: 'A' }, { value: 'b' }]
    const { status, body } = await report(hash, 'ask', { kind: 'choice', options })
    expect(status).toBe(422)
    expect(body).toMatchObject({ errors: [{ field: 'options.1.label', code: 'invalid_question' }] })
  })

  it('an invalid report, with the place of each mistake', async () => {
    const hash = await server.given([START])
    for (const [what, body, field] of [
      ['progress', { progress: 'half' }, 'progress'],
      ['progress', { progress: 1, parts: [{ id: 'a', state: 'new' }] }, 'parts.0.state'],
      ['complete', {}, 'result'],
      ['fail', { code: '' }, 'code'],
      ['reject', { message: 5 }, 'message'],
    ] as const)
      expect(await report(hash, what, body)).toMatchObject({
        status: 422,
        body: { errors: [{ field, code: 'invalid_report', message: expect.not.stringContaining(field) }] },
      })
    expect(await report(hash, 'progress', { progress: 1, colour: 1 })).toMatchObject({
      body: { errors: [{ field: 'body', code: 'invalid_report', message: 'Unrecognized key: "colour"' }] },
    })
    expect((await report(hash, 'progress', { progress: 1 }, { attempt: 'first' })).body).toMatchObject({
      errors: [{ field: 'X-Attempt', code: 'invalid_report', message: 'must be a whole number' }],
    })
  })

  it('another method, another media type, and a wait that is too long', async () => {
    const hash = await server.given([START, REQUIRE_OTP])
    await submitCode(hash)
    for (const [method, what, allowed] of [
      ['GET', 'progress', 'POST'],
      ['DELETE', '', 'GET, HEAD'],
      ['HEAD', 'answer', 'GET'],
      ['HEAD', 'control', 'GET'],
    ] as const) {
      const { status, headers } = await call(method, hash, what)
      expect([status, headers.get('allow')]).toEqual([405, allowed])
    }
    for (const query of ['wait=26', 'wait=-1', 'wait=soon', 'resend=perhaps'])
      expect((await poll(hash, `answer?${query}`)).status).toBe(400)
    expect((await poll(hash, 'answer')).body).toEqual({ answer: CODE })
    const text = await server.api
      .post(`/api/bots/requests/${hash}/progress`)
      .set({ Authorization: `Bearer ${OWNER_TOKEN}`, 'X-Attempt': '1', 'Content-Type': 'text/plain' })
      .send('progress=1')
    expect(text.status).toBe(415)
  })
})

describe('the answer', () => {
  it('a long poll ends with the code as soon as it is submitted, and only once', async () => {
    const hash = await server.given([START, REQUIRE_OTP])
    const waiting = poll(hash, 'answer?wait=25')
    await watched(hash)
    await submitCode(hash)
    expect(await waiting).toMatchObject({ status: 200, body: { answer: CODE } })
    expect(await poll(hash, 'answer')).toMatchObject({ status: 204, body: null })
  })

  it('of two long polls, one receives the code', async () => {
    const hash = await server.given([START, REQUIRE_OTP])
    const waiting = [poll(hash, 'answer?wait=2'), poll(hash, 'answer?wait=2')]
    await watched(hash)
    await submitCode(hash)
    expect((await Promise.all(waiting)).map(({ status }) => status).sort()).toEqual([200, 204])
  })

  it('each requested resend is delivered once', async () => {
    const ask: Command = { type: 'require_otp', attempt: 1, otp: { id: 'otp-1', expires_in: 600 } }
    const hash = await server.given([START, ask], { now: Date.now() - 60_000 })
    expect((await poll(hash, 'answer')).status).toBe(204)
    const waiting = poll(hash, 'answer?wait=25')
    await watched(hash)
    await server.api.post(`/api/local-requests/${hash}/resend-otp`).expect(202)
    expect((await waiting).body).toEqual({ resend_requested: true })
    expect((await poll(hash, 'answer')).status).toBe(204)
  })

  it('another code is offered unless the bot says that it can send none', async () => {
    const hash = await server.given([START])
    await report(hash, 'ask')
    expect((await view(hash)).otp_data.resend_available_at).not.toBeNull()
    await report(hash, 'ask', { resend: false })
    expect((await view(hash)).otp_data.resend_available_at).toBeNull()
    await report(hash, 'ask', { resend: true })
    expect((await view(hash)).otp_data.resend_available_at).not.toBeNull()
    expect((await poll(hash, 'answer?resend=false')).status).toBe(204)
    expect((await view(hash)).otp_data.resend_available_at).toBeNull()
  })

  it('the end of the prompt is otp_expired', async () => {
    const hash = await server.given([START])
    await report(hash, 'ask', { expires_in: 0.2, resend: false })
    expect(await poll(hash, 'answer?wait=25')).toMatchObject({ status: 410, body: { code: 'otp_expired' } })
  })

  it('a long poll ends when the request is cancelled, and when another attempt takes over', async () => {
    const ends: [Command, string][] = [
      [{ type: 'cancel', by: 'user' }, 'already_final'],
      [{ type: 'start', attempt: 2 }, 'stale_attempt'],
    ]
    for (const [command, code] of ends) {
      const hash = await server.given([START, REQUIRE_OTP])
      const waiting = poll(hash, 'answer?wait=25')
      await watched(hash)
      await server.apply(hash, command)
      expect(await waiting).toMatchObject({ status: 409, body: { code } })
    }
  })

  it('a code is not taken for a caller that has left, nor for an attempt that was taken over', async () => {
    const hash = await server.given([START, REQUIRE_OTP])
    const caller = new AbortController()
    const left = fetch(`${server.address}/api/bots/requests/${hash}/answer?wait=25`, {
      headers: { authorization: `Bearer ${OWNER_TOKEN}`, 'x-attempt': '1' },
      signal: caller.signal,
    })
    await watched(hash)
    caller.abort()
    await expect(left).rejects.toThrow()
    await eventually(() => expect(server.watcher.size).toBe(0))
    await submitCode(hash)
    expect((await poll(hash, 'answer', { attempt: '2' })).body).toMatchObject({ code: 'stale_attempt' })
    expect((await poll(hash, 'answer')).body).toEqual({ answer: CODE })
  })

  it('without a prompt nothing is expected', async () => {
    const hash = await server.given([START])
    expect((await poll(hash, 'answer?wait=25')).body).toMatchObject({ code: 'otp_not_expected' })
  })
})

describe('control', () => {
  it('ends at once when the attempt should stop, and not when it starts', async () => {
    const ends: [Command, string][] = [
      [{ type: 'cancel', by: 'user' }, 'already_final'],
      [{ type: 'start', attempt: 2 }, 'stale_attempt'],
    ]
    for (const [command, stop] of ends) {
      const hash = await server.given()
      const waiting = poll(hash, 'control?wait=25')
      await watched(hash)
      await server.apply(hash, START)
      await server.apply(hash, command)
      expect((await waiting).body).toEqual({ stop })
    }
  })

  it('reports the expiry of the request', async () => {
    const hash = await server.given([START], { ttlSeconds: 0.5 })
    expect((await poll(hash, 'control?wait=25')).body).toEqual({ stop: 'request_expired' })
  })

  it('answers 204 while there is no reason to stop', async () => {
    const hash = await server.given([START])
    expect(await poll(hash, 'control')).toMatchObject({ status: 204, body: null })
    expect(await poll(hash, 'control?wait=1')).toMatchObject({ status: 204, body: null })
  })
})

describe('the heartbeat', () => {
  const heartbeat = (hash: string) => call('POST', hash, 'heartbeat')
  const status = (hash: string, tag?: string) =>
    server.api.get(`/api/local-requests/${hash}/status`).set(tag ? { 'If-None-Match': tag } : {})
  /** As if the last report was long ago. */
  const START_LONG_AGO = { updated_at: new Date(Date.now() - 60_000).toISOString() }

  it('is shown in the status without a new version', async () => {
    const hash = await server.given([START])
    expect((await view(hash)).bot_seen_at).toBeNull()
    const before = Date.now()
    expect((await heartbeat(hash)).status).toBe(204)
    const { version, bot_seen_at } = await view(hash)
    expect(version).toBe(2)
    expect(Date.parse(bot_seen_at)).toBeGreaterThanOrEqual(before)
    expect(await client.pttl(keys.heartbeat(hash))).toBeGreaterThan(0)
  })

  it('a poll with the tag of the status receives it when the bot has not reported for long', async () => {
    const silent = await server.given([START], START_LONG_AGO)
    await heartbeat(silent)
    const first = await status(silent).expect(200)
    await status(silent, first.headers.etag).expect(304)
    await heartbeat(silent)
    expect(await view(silent)).not.toEqual(first.body)
    await status(silent, first.headers.etag).expect(200)
  })

  it('a poll is not answered in full while the bot reports', async () => {
    const hash = await server.given([START])
    const { headers } = await status(hash).expect(200)
    await heartbeat(hash)
    await status(hash, headers.etag).expect(304)
  })

  it('is no longer shown once the request is final, and a value of another program never', async () => {
    const hash = await server.given([START])
    await client.set(keys.heartbeat(hash), 'soon')
    expect((await view(hash)).bot_seen_at).toBeNull()
    await heartbeat(hash)
    await report(hash, 'complete', { result: 1 })
    expect(isFinal((await view(hash)).status)).toBe(true)
    expect((await view(hash)).bot_seen_at).toBeNull()
  })

  it('the page of the request shows that the bot is alive', async () => {
    const hash = await server.given([START], START_LONG_AGO)
    const page = () => server.api.get(`/services/test-service/progress/${hash}`).expect(200)
    expect((await page()).text).toContain('No update for 1 minute')
    await heartbeat(hash)
    expect((await page()).text).toContain('heard from just now')
  })
})

describe('the server', () => {
  it('ends long polls at once when it stops', async () => {
    const stopping = await useServer(redis)
    const hash = await stopping.given([START, REQUIRE_OTP])
    const options = { token: DEVELOPMENT_TOKEN, on: stopping.address }
    const waiting = [poll(hash, 'answer?wait=25', options), poll(hash, 'control?wait=25', options)]
    await watched(hash)
    const startedAt = performance.now()
    await stopping.stop()
    expect((await Promise.all(waiting)).map(({ status }) => status)).toEqual([204, 204])
    expect(performance.now() - startedAt).toBeLessThan(5_000)
  })

  it('logs nothing of what bots send or receive', async () => {
    const hash = await server.given([START])
    await report(hash, 'progress', { progress: 1, message: 'secret-message' })
    await report(hash, 'ask', { sent_to: 'secret-recipient' })
    await submitCode(hash)
    await poll(hash, 'answer')
    await report(hash, 'complete', { result: 'secret-result' })
    expect(lines.length).toBeGreaterThan(0)
    expect(lines.join('')).not.toMatch(new RegExp(`secret|${CODE}|${OWNER_TOKEN}|${PRIVATE.request}`))
  })

  it.runIf(onRealRedis)('answers 503 while Redis is away', async () => {
    const hash = await server.given([START, REQUIRE_OTP])
    await redis.stop()
    for (const what of ['answer?wait=25', 'control?wait=25'])
      expect(await poll(hash, what)).toMatchObject({ status: 503, body: { code: 'storage_unavailable' } })
    for (const what of ['heartbeat', 'progress'])
      expect(await report(hash, what, { progress: 1 })).toMatchObject({ status: 503 })
  })
})
