import { describe, expect, test } from 'vitest'
import { createOtpMailbox } from '../../core/actions/otp-mailbox.ts'
import type { Command } from '../../core/domain/command.ts'
import { createChannelSubscriber } from '../../core/pubsub/channel-subscriber.ts'
import { createRequestStore } from '../../core/store/request-store.ts'
import { keys } from '../helpers/keys.ts'
import { aHash, REQUIRE_OTP, START, TTL_SECONDS } from '../helpers/record.ts'
import { quiet, useRedis } from '../helpers/redis.ts'
import { redisContents } from '../helpers/redis-contents.ts'
import { CREDIT_SCORE, collectLog, useServer } from '../helpers/server.ts'

const { log, lines: logged } = collectLog()

const testRedis = await useRedis()
const redis = await testRedis.connections.connect('patient')
const { api, given, apply } = await useServer(testRedis, { log })

const channels = createChannelSubscriber({
  redis,
  subscriber: await testRedis.connections.connect('subscriber'),
  log: quiet,
})
/** The bot's mailbox for codes. */
const otpMailbox = createOtpMailbox({
  redis,
  channels,
  store: createRequestStore({ redis, ttlSeconds: TTL_SECONDS }),
})

const otpUrl = (hash: string): string => `/api/local-requests/${hash}/otp`
const send = (hash: string, otp: unknown) => api.post(otpUrl(hash)).send({ otp })
const resend = (hash: string) => api.post(`/api/local-requests/${hash}/resend-otp`)
const statusOf = async (hash: string) =>
  (await api.get(`/api/local-requests/${hash}/status`).expect(200)).body

const ask = (otp: object = {}): Command =>
  ({ ...REQUIRE_OTP, otp: { id: 'otp-1', length: 6, ...otp } }) as Command
const SUBMIT: Command = { type: 'submit_otp', otp: '483920' }
const REJECT: Command = { type: 'reject_otp', attempt: 1 }
const COMPLETE: Command = { type: 'complete', attempt: 1, result: 1 }
const secondsAgo = (seconds: number): { now: number } => ({ now: Date.now() - seconds * 1000 })

describe('a code', () => {
  test('an accepted code is 202, resumes the request and can be taken by the bot once', async () => {
    const hash = await given([START, REQUIRE_OTP])
    const res = await send(hash, '123456').expect(202)
    expect(res.headers['cache-control']).toBe('no-store')
    expect(res.body).toMatchObject({ hash, status: 'processing', requires_otp: false, otp_data: null })
    expect(res.body).toEqual(await statusOf(hash))
    expect(await otpMailbox.take(hash)).toBe('123456')
    expect(await otpMailbox.take(hash)).toBeNull()
  })

  test('an accepted code reaches a waiting bot immediately', async () => {
    const hash = await given([START, REQUIRE_OTP])
    const waiting = otpMailbox.waitFor(hash)
    await send(hash, '123456').expect(202)
    expect(await waiting).toEqual({ code: '123456' })
  })

  test('a code in Persian or Arabic digits, with separators, is accepted', async () => {
    for (const typed of [
      '۰۱۲۳۴۵',
      '٠١٢٣٤٥',
      '０１２３４５',
      ' 012 345 ',
      '012-345',
      '\u200e012345\u200f',
      'G-012345',
      'Your code: 012345 (2 min)',
    ]) {
      const hash = await given([START, REQUIRE_OTP])
      await send(hash, typed).expect(202)
      expect(await otpMailbox.take(hash)).toBe('012345')
    }
  })

  test('a code may be a JSON number', async () => {
    const hash = await given([START, REQUIRE_OTP])
    await send(hash, 123456).expect(202)
    expect(await otpMailbox.take(hash)).toBe('123456')
  })

  test("a stored code expires at its prompt's deadline", async () => {
    const hash = await given([START, ask({ expires_in: 90 })])
    await send(hash, '123456').expect(202)
    const { otp_data } = JSON.parse((await redis.get(keys.record(hash))) ?? '')
    expect(await redis.pexpiretime(keys.otp(hash))).toBe(Date.parse(otp_data.expires_at))
  })

  test('an untaken code is deleted when its request ends', async () => {
    const hash = await given([START, REQUIRE_OTP])
    await send(hash, '123456').expect(202)
    await apply(hash, { type: 'cancel', by: 'user' })
    expect(await redis.exists(keys.otp(hash))).toBe(0)
  })

  test('an untaken code is deleted when the bot asks again, and the next code replaces it', async () => {
    const hash = await given([START, REQUIRE_OTP])
    await send(hash, '111111').expect(202)
    await apply(hash, REJECT)
    expect(await redis.exists(keys.otp(hash))).toBe(0)
    expect(await statusOf(hash)).toMatchObject({
      otp_data: { attempts_left: 2, error: { code: 'otp_rejected' } },
    })
    await send(hash, '222222').expect(202)
    expect(await otpMailbox.take(hash)).toBe('222222')
  })

  test('of two concurrent codes for one prompt exactly one is accepted', async () => {
    for (let round = 0; round < 10; round++) {
      const hash = await given([START, REQUIRE_OTP])
      const answers = await Promise.all([send(hash, '111111'), send(hash, '222222')])
      expect(answers.map((res) => res.status).sort()).toEqual([202, 409])
      expect(answers.find((res) => res.status === 409)?.body.code).toBe('otp_not_expected')
      const taken = answers[0]?.status === 202 ? '111111' : '222222'
      expect(await otpMailbox.take(hash)).toBe(taken)
      expect((await statusOf(hash)).version).toBe(4)
    }
  })
})

describe('a refused code', () => {
  const refusals: [string, () => Promise<string>, number, string][] = [
    ['before the request has started', () => given(), 409, 'otp_not_expected'],
    ['while none is awaited', () => given([START]), 409, 'otp_not_expected'],
    ['after one was accepted', () => given([START, REQUIRE_OTP, SUBMIT]), 409, 'otp_not_expected'],
    ['after the request has ended', () => given([START, REQUIRE_OTP, COMPLETE]), 409, 'already_final'],
    [
      'after a cancel',
      () => given([START, REQUIRE_OTP, { type: 'cancel', by: 'user' }]),
      409,
      'already_final',
    ],
    ['after its deadline', () => given([START, ask({ expires_in: 60 })], secondsAgo(61)), 410, 'otp_expired'],
    ['for an unknown request', async () => aHash(), 404, 'request_not_found'],
    ['for an expired request', async () => aHash(Date.now() - TTL_SECONDS * 1000), 410, 'request_expired'],
  ]
  test.each(refusals)('a code %s is refused', async (_when, make, status, code) => {
    const hash = await make()
    const before = await redis.get(keys.record(hash))
    const res = await send(hash, '123456')
      .expect(status)
      .expect('Content-Type', /^application\/problem\+json/)
    expect(res.body).toMatchObject({ status, code })
    expect(await redis.exists(keys.otp(hash))).toBe(0)
    expect(await redis.get(keys.record(hash))).toBe(before)
  })

  test('a code with no attempts left is refused with 429', async () => {
    const hash = await given([START, REQUIRE_OTP])
    // Only a record of another program looks like this: an own one fails with its last attempt.
    const record = JSON.parse((await redis.get(keys.record(hash))) ?? '')
    record.otp_data.attempts_left = 0
    await redis.setex(keys.record(hash), TTL_SECONDS, JSON.stringify(record))
    const res = await send(hash, '123456').expect(429)
    expect(res.body).toMatchObject({ code: 'otp_attempts_exhausted', retryable: false })
  })

  test('a malformed code is refused without costing an attempt', async () => {
    const hash = await given([START, REQUIRE_OTP])
    const before = await redis.get(keys.record(hash))
    for (const [typed, detail] of [
      ['12345', 'The code has 6 digits; you typed 5.'],
      ['1234567', 'The code has 6 digits; you typed 7.'],
      ['12345a', 'The code has digits only.'],
      ['١٢٣٤٥x', 'The code has digits only.'],
      ['-', 'The code has digits only.'],
      ['9'.repeat(10_000), 'The code has 6 digits; you typed 10000.'],
    ] as const) {
      const res = await send(hash, typed).expect(422)
      expect(res.body).toMatchObject({ code: 'invalid_otp', detail })
      const { call_id, ...problem } = res.body
      expect(JSON.stringify(problem).replaceAll('urn:halfway:problem', '')).not.toContain(typed)
    }
    expect(await redis.get(keys.record(hash))).toBe(before)
    await send(hash, '123456').expect(202)
  })

  test('a code of the wrong length is refused, also when the bot did not name the length', async () => {
    const hash = await given([START, ask({ length: undefined })])
    for (const typed of ['12', '1234567890123']) {
      expect((await send(hash, typed).expect(422)).body).toMatchObject({ code: 'invalid_otp' })
    }
    await send(hash, '123').expect(202)
  })

  test('a missing code is refused with the field named', async () => {
    const hash = await given([START, REQUIRE_OTP])
    const wrong: [unknown, string, string][] = [
      [{}, 'otp', 'required'],
      [{ otp: '' }, 'otp', 'required'],
      [{ otp: null }, 'otp', 'not_text'],
      [{ otp: ['123456'] }, 'otp', 'not_text'],
      [{ otp: '123456', code: '123456' }, 'code', 'unknown_field'],
      [[], 'otp', 'required'],
    ]
    for (const [body, field, code] of wrong) {
      const res = await api
        .post(otpUrl(hash))
        .send(body as object)
        .expect(422)
      expect(res.body).toMatchObject({ code: 'validation_failed', errors: [{ field, code }] })
    }
    await api.post(otpUrl(hash)).expect(422)
  })

  test('a code in an invalid body is refused with 400, 413 or 415', async () => {
    const hash = await given([START, REQUIRE_OTP])
    const post = (type: string, body: string) => api.post(otpUrl(hash)).set('Content-Type', type).send(body)
    expect((await post('application/json', '{"otp": 1234').expect(400)).body.code).toBe('invalid_json')
    expect(
      (await post('application/json', JSON.stringify({ otp: 'x'.repeat(66_000) })).expect(413)).body.code,
    ).toBe('body_too_large')
    expect((await post('text/plain', '123456').expect(415)).body.code).toBe('unsupported_media_type')
  })
})

describe('a resend', () => {
  test('a resend after the cooldown is 202 and lengthens the next cooldown', async () => {
    const hash = await given([START, ask({ expires_in: 300 })], secondsAgo(31))
    const res = await resend(hash).expect(202)
    expect(res.body).toMatchObject({ status: 'otp_required', otp_data: { id: 'otp-1', attempts_left: 3 } })
    const wait = Date.parse(res.body.otp_data.resend_available_at) - Date.parse(res.body.updated_at)
    expect(wait).toBe(60_000)
  })

  test('a resend during the cooldown is 429 with the remaining seconds', async () => {
    for (const age of [0, 12.4, 29]) {
      const hash = await given([START, REQUIRE_OTP], secondsAgo(age))
      const res = await resend(hash).expect(429)
      expect(res.body).toMatchObject({ code: 'resend_not_yet', retryable: true })
      const { otp_data } = await statusOf(hash)
      const shown = Math.ceil(
        (Date.parse(otp_data.resend_available_at) - Date.parse(res.headers.date as string)) / 1000,
      )
      const seconds = Number(res.headers['retry-after'])
      // The two calls may fall into different seconds.
      expect(Math.abs(seconds - shown)).toBeLessThanOrEqual(1)
      expect(seconds).toBe(Math.ceil(30 - age))
    }
  })

  test('a sixth resend is refused', async () => {
    const hash = await given([START, ask({ expires_in: 300 })], secondsAgo(31))
    const record = JSON.parse((await redis.get(keys.record(hash))) ?? '')
    record.otp_data.resends = 5
    await redis.setex(keys.record(hash), TTL_SECONDS, JSON.stringify(record))
    expect((await resend(hash).expect(429)).body).toMatchObject({
      code: 'resend_exhausted',
      retryable: false,
    })
  })

  test('a resend is refused when no code is awaited', async () => {
    for (const [hash, status, code] of [
      [await given(), 409, 'otp_not_expected'],
      [await given([START, REQUIRE_OTP, SUBMIT]), 409, 'otp_not_expected'],
      [await given([START, REQUIRE_OTP, COMPLETE]), 409, 'already_final'],
      [aHash(), 404, 'request_not_found'],
      [aHash(Date.now() - TTL_SECONDS * 1000), 410, 'request_expired'],
    ] as const) {
      expect((await resend(hash).expect(status)).body).toMatchObject({ status, code })
    }
  })

  test('two concurrent resends count as one', async () => {
    const hash = await given([START, ask({ expires_in: 300 })], secondsAgo(31))
    const answers = await Promise.all([resend(hash), resend(hash)])
    expect(answers.map((res) => res.status).sort()).toEqual([202, 429])
  })
})

test('a code is stored only under its own key, and nowhere once it has been taken', async () => {
  const CODE = '918273645546'
  const { hash } = (await api.post('/api/local-requests').send(CREDIT_SCORE)).body
  await apply(hash, START)
  await apply(hash, ask({ length: 12 }))
  const channel: string[] = []
  await channels.subscribe(hash, { onMessage: (json) => channel.push(json), onGap: () => {} })

  await api
    .post(otpUrl(hash))
    .set('Idempotency-Key', 'a-key-of-a-careful-client')
    .send({ otp: CODE })
    .expect(202)
  const before = await redisContents(redis)
  expect(before.split(CODE)).toHaveLength(2)
  expect(await redis.get(keys.otp(hash))).toBe(CODE)
  expect(await redis.get(keys.record(hash))).not.toContain(CODE)
  expect(await redis.hgetall(`halfway:inquiries:${hash}`)).not.toContain(CODE)

  expect(await otpMailbox.take(hash)).toBe(CODE)
  expect(await redisContents(redis)).not.toContain(CODE)
  await apply(hash, COMPLETE)
  expect(await redisContents(redis)).not.toContain(CODE)
  expect(channel.join()).not.toContain(CODE)
  expect(logged.length).toBeGreaterThan(0)
  expect(logged.join('')).not.toContain(CODE)
})

test('codes and resends are rate-limited per address with 429', async () => {
  const limited = await useServer(testRedis, { settings: { ACTIONS_PER_MINUTE: '3' } })
  const hash = await given([START, REQUIRE_OTP])
  const guess = () => limited.api.post(otpUrl(hash)).set('X-Forwarded-For', '192.0.2.50').send({ otp: '1' })
  for (let n = 0; n < 3; n++) await guess().expect(422)
  const res = await guess().expect(429)
  expect(res.body.code).toBe('rate_limited')
  expect(Number(res.headers['retry-after'])).toBeGreaterThan(0)
  await limited.stop()
})

test('codes and resends refuse methods other than POST', async () => {
  const hash = await given([START, REQUIRE_OTP])
  for (const path of ['otp', 'resend-otp']) {
    for (const method of ['get', 'put', 'delete'] as const) {
      const res = await api[method](`/api/local-requests/${hash}/${path}`).expect(405)
      expect(res.headers.allow).toBe('POST')
    }
  }
})
