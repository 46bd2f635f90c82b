/** Questions of other kinds than codes, and codes that come before the question, over the API. */
import { describe, expect, test } from 'vitest'
import { createOtpMailbox } from '../../core/actions/otp-mailbox.ts'
import type { Command } from '../../core/domain/command.ts'
import type { OtpRequest } from '../../core/domain/otp-prompt.ts'
import { createChannelSubscriber } from '../../core/pubsub/channel-subscriber.ts'
import { createRequestStore } from '../../core/store/request-store.ts'
import { keys } from '../helpers/keys.ts'
import { GIF, PNG } from '../helpers/pictures.ts'
import { START, TTL_SECONDS } from '../helpers/record.ts'
import { quiet, useRedis } from '../helpers/redis.ts'
import { redisContents } from '../helpers/redis-contents.ts'
import { CREDIT_SCORE, collectLog, useServer } from '../helpers/server.ts'
import { HTML } from './page-browser.ts'

const { log, lines: logged } = collectLog()
const testRedis = await useRedis()
const redis = await testRedis.connections.connect('patient')
const { api, given, apply } = await useServer(testRedis, {
  log,
  settings: { SUBJECT_WRONG_CODES_PER_HOUR: '3', SUBJECT_CODES_PER_HOUR: '3' },
})
const channels = createChannelSubscriber({
  redis,
  subscriber: await testRedis.connections.connect('subscriber'),
  log: quiet,
})
const otpMailbox = createOtpMailbox({
  redis,
  channels,
  store: createRequestStore({ redis, ttlSeconds: TTL_SECONDS }),
})

const ask = (otp: Omit<OtpRequest, 'id'>, attempt = 1): Command => ({
  type: 'require_otp',
  attempt,
  otp: { id: 'q-1', ...otp },
})
const OPTIONS = [
  { value: 'savings', label: { en: 'Savings', fa: 'پس‌انداز' } },
  { value: 'current', label: 'Current' },
]
const COMPLETE: Command = { type: 'complete', attempt: 1, result: 1 }

const otpUrl = (hash: string): string => `/api/local-requests/${hash}/otp`
const answer = (hash: string, body: object) => api.post(otpUrl(hash)).send(body)
const statusOf = async (hash: string) =>
  (await api.get(`/api/local-requests/${hash}/status`).expect(200)).body

/** Through the store, which alone keeps pictures and hands early codes over. */
async function asked(otp: Omit<OtpRequest, 'id'>): Promise<string> {
  const hash = await given([START])
  await apply(hash, ask(otp))
  return hash
}

/** As a bot that has only a Redis client. */
async function askByRecord(hash: string, otp_data: Record<string, unknown>): Promise<void> {
  const record = JSON.parse((await redis.get(keys.record(hash))) ?? '')
  const text = JSON.stringify({ ...record, status: 'otp_required', otp_data })
  await redis.setex(keys.record(hash), TTL_SECONDS, text)
  await redis.publish(keys.channel(hash), text)
}

describe('an answer', () => {
  test.each([
    ['text', {}, ' Main Street 5 ', 'Main Street 5'],
    ['choice', { options: OPTIONS }, 'current', 'current'],
    ['confirm', {}, 'no', 'no'],
    ['image', { image: PNG }, 'x7Kp', 'x7Kp'],
  ] as const)(
    'an answer to a %s is accepted as otp and as answer, and reaches the bot',
    async (kind, more, typed, got) => {
      for (const name of ['otp', 'answer']) {
        const hash = await asked({ kind, ...more })
        expect((await statusOf(hash)).otp_data).toMatchObject({ kind })
        const { body } = await answer(hash, { [name]: typed }).expect(202)
        expect(body).toMatchObject({ status: 'processing', otp_data: null })
        expect(await otpMailbox.take(hash)).toBe(got)
      }
    },
  )

  test.each([
    ['text', { max_length: 5 }, 'too long', 'The answer has at most 5 characters.'],
    ['choice', { options: OPTIONS }, 'other', 'The answer is the value of one of the options.'],
    ['confirm', {}, 'perhaps', 'The answer is "yes" or "no".'],
    ['image', { image: PNG }, 'x'.repeat(51), 'The answer has at most 50 characters.'],
  ] as const)(
    'an answer to a %s of the wrong form is refused and costs no try',
    async (kind, more, typed, detail) => {
      const hash = await asked({ kind, ...more })
      const before = await redis.get(keys.record(hash))
      const { body, text } = await answer(hash, { answer: typed }).expect(422)
      expect(body).toMatchObject({ code: 'invalid_otp', detail })
      expect(text).not.toContain(typed)
      expect(await redis.get(keys.record(hash))).toBe(before)
    },
  )

  test('otp and answer together, or neither, are refused', async () => {
    const hash = await asked({ kind: 'confirm' })
    const both = await answer(hash, { otp: 'yes', answer: 'yes' }).expect(422)
    expect(both.body).toMatchObject({ code: 'validation_failed', detail: 'Send either otp or answer.' })
    const { body } = await answer(hash, { answer: '' }).expect(422)
    expect(body.errors).toEqual([{ field: 'answer', code: 'required', message: expect.any(String) }])
    expect((await answer(hash, {}).expect(422)).body.errors[0].field).toBe('otp')
  })

  test('of two concurrent answers exactly one is accepted', async () => {
    for (let round = 0; round < 5; round++) {
      const hash = await asked({ kind: 'choice', options: OPTIONS })
      const answers = await Promise.all([
        answer(hash, { answer: 'savings' }),
        answer(hash, { answer: 'current' }),
      ])
      expect(answers.map(({ status }) => status).sort()).toEqual([202, 409])
      expect(await otpMailbox.take(hash)).toBe(answers[0]?.status === 202 ? 'savings' : 'current')
    }
  })

  test('a resend of a question whose answers are on the page is refused', async () => {
    const hash = await asked({ kind: 'confirm' })
    const { body } = await api.post(`/api/local-requests/${hash}/resend-otp`).expect(409)
    expect(body.code).toBe('resend_not_offered')
  })

  test('answers to other questions do not count for the limits of a subject', async () => {
    const { hash } = (await api.post('/api/local-requests').send(CREDIT_SCORE).expect(202)).body
    await apply(hash, START)
    for (let n = 0; n < 5; n++) {
      await apply(hash, ask({ kind: 'text' }))
      await answer(hash, { answer: `answer ${n}` }).expect(202)
    }
    await apply(hash, ask({ length: 6 }))
    await answer(hash, { otp: '123456' }).expect(202)
  })
})

describe('a picture', () => {
  const imageUrl = async (hash: string): Promise<string> => (await statusOf(hash)).otp_data.image_url

  test('the picture is served at the address in the view, and is in neither the record nor the view', async () => {
    const hash = await asked({ kind: 'image', image: PNG })
    const url = await imageUrl(hash)
    expect(url).toBe(`${otpUrl(hash)}/image?id=q-1`)
    const { body, headers } = await api.get(url).expect(200).expect('Content-Type', 'image/png')
    expect(headers['cache-control']).toBe('no-store')
    expect(`data:image/png;base64,${body.toString('base64')}`).toBe(PNG)
    expect(await redis.get(keys.record(hash))).not.toContain('base64')
    expect(JSON.stringify(await statusOf(hash))).not.toContain('base64')
  })

  test('a renewed question has another address, and the old one is 404', async () => {
    const hash = await asked({ kind: 'image', image: PNG })
    const before = await imageUrl(hash)
    await apply(hash, { type: 'require_otp', attempt: 1, otp: { id: 'q-2', kind: 'image', image: GIF } })
    await api
      .get(await imageUrl(hash))
      .expect(200)
      .expect('Content-Type', 'image/gif')
    expect((await api.get(before).expect(404)).body.code).toBe('not_found')
  })

  test('a picture stays when a wrong answer is asked again, and is deleted with the end of the request', async () => {
    const hash = await asked({ kind: 'image', image: PNG })
    const url = await imageUrl(hash)
    await answer(hash, { answer: 'abc' }).expect(202)
    await api.get(url).expect(404)
    await apply(hash, { type: 'reject_otp', attempt: 1 })
    await api.get(url).expect(200)
    await apply(hash, COMPLETE)
    expect(await redis.exists(keys.image(hash))).toBe(0)
    await api.get(url).expect(404)
  })

  test('a picture expires with its question', async () => {
    const hash = await asked({ kind: 'image', image: PNG, expires_in: 60 })
    const { otp_data } = await statusOf(hash)
    expect(await redis.pexpiretime(keys.image(hash))).toBe(Date.parse(otp_data.expires_at) + 300_000)
  })

  test('the picture of another’s request is refused, and a request without one is 404', async () => {
    const owned = await useServer(testRedis, { settings: { OWNER_CHECK: 'all' } })
    const hash = await asked({ kind: 'image', image: PNG })
    await owned.api.get(await imageUrl(hash)).expect(403)
    const other = await asked({ kind: 'text' })
    await api.get(`${otpUrl(other)}/image?id=q-1`).expect(404)
    await api.post(`${otpUrl(other)}/image`).expect(405)
    await owned.stop()
  })

  test('a program that writes the record keeps the picture', async () => {
    const hash = await asked({ kind: 'image', image: PNG })
    const record = JSON.parse((await redis.get(keys.record(hash))) ?? '')
    await redis.setex(keys.record(hash), TTL_SECONDS, JSON.stringify({ ...record, progress: 33 }))
    expect(await statusOf(hash)).toMatchObject({ progress: 33, otp_data: { kind: 'image' } })
    await api.get(await imageUrl(hash)).expect(200)
  })

  test('a program that only writes records can ask for what is in a picture', async () => {
    const hash = await given([START])
    const record = JSON.parse((await redis.get(keys.record(hash))) ?? '')
    const otp_data = { kind: 'image', image: GIF, message: 'Read it' }
    await redis.setex(
      keys.record(hash),
      TTL_SECONDS,
      JSON.stringify({ ...record, status: 'otp_required', otp_data }),
    )
    expect((await statusOf(hash)).otp_data).toMatchObject({ kind: 'image', message: 'Read it' })
    await api
      .get(await imageUrl(hash))
      .expect(200)
      .expect('Content-Type', 'image/gif')
    expect(await redis.get(keys.record(hash))).not.toContain('base64')
  })
})

describe('a code that comes before the question', () => {
  /** A request of a service that asks for a code; its attempt runs. */
  async function running(mobile: string): Promise<string> {
    const request_data = { ...CREDIT_SCORE.request_data, mobile }
    const { hash } = (
      await api
        .post('/api/local-requests')
        .send({ ...CREDIT_SCORE, request_data })
        .expect(202)
    ).body
    await apply(hash, START)
    return hash
  }

  test('an early code is 202, and answers the question as soon as it is asked', async () => {
    const hash = await running('09120000001')
    const early = await answer(hash, { otp: '۴۸۳ ۹۲۰' }).expect(202)
    expect(early.body).toMatchObject({ status: 'processing', otp_data: null, version: 2 })
    expect(await otpMailbox.take(hash)).toBeNull()
    expect(await redis.pttl(keys.earlyOtp(hash))).toBeGreaterThan(50_000)
    expect(await redis.pttl(keys.earlyOtp(hash))).toBeLessThanOrEqual(60_000)
    await apply(hash, ask({ length: 6 }))
    expect(await statusOf(hash)).toMatchObject({ status: 'processing', otp_data: null })
    expect(await otpMailbox.take(hash)).toBe('483920')
    expect(await redis.exists(keys.earlyOtp(hash))).toBe(0)
  })

  test('an early code answers the question of a bot that writes the record itself, once', async () => {
    const hash = await running('09120000012')
    const { subject } = JSON.parse((await redis.get(keys.record(hash))) ?? '')
    await answer(hash, { otp: '483920' }).expect(202)
    await askByRecord(hash, { id: 'sms-1', length: 6 })
    expect(await statusOf(hash)).toMatchObject({ status: 'processing', otp_data: null })
    expect(await otpMailbox.take(hash)).toBe('483920')
    expect(await redis.exists(keys.earlyOtp(hash))).toBe(0)
    expect(await redis.zcard(keys.subject('tries', subject))).toBe(1)
    const wrong = { code: 'otp_rejected', message: 'Wrong.' }
    await askByRecord(hash, { id: 'sms-2', length: 6, error: wrong })
    expect(await statusOf(hash)).toMatchObject({ status: 'otp_required', otp_data: { attempts_left: 2 } })
    expect(await otpMailbox.take(hash)).toBeNull()
  })

  test('an early code of another attempt, kind or form leaves such a question open', async () => {
    const questions = [
      { id: 'a', length: 4 },
      { id: 'b', kind: 'text' },
      { id: 'c', length: 6 },
    ]
    for (const [i, question] of questions.entries()) {
      const hash = await running(`0912000002${i}`)
      await answer(hash, { otp: '483920' }).expect(202)
      if (question.id === 'c') await apply(hash, { type: 'start', attempt: 2 })
      await askByRecord(hash, question)
      expect(await statusOf(hash)).toMatchObject({
        status: 'otp_required',
        otp_data: { id: question.id, attempts_left: 3 },
      })
      expect(await otpMailbox.take(hash)).toBeNull()
    }
  })

  test('an early code is in no record, view or log, and is deleted when the request ends', async () => {
    const hash = await running('09120000002')
    await answer(hash, { answer: '918273645546' }).expect(202)
    expect((await redisContents(redis)).split('918273645546')).toHaveLength(2)
    await apply(hash, { type: 'cancel', by: 'user' })
    expect(await redisContents(redis)).not.toContain('918273645546')
    expect(logged.join('')).not.toContain('918273645546')
  })

  test('an early code of another attempt, or for another kind of question, is not used', async () => {
    const [retried, text] = [await running('09120000003'), await running('09120000004')]
    for (const hash of [retried, text]) await answer(hash, { otp: '483920' }).expect(202)
    await apply(retried, { type: 'start', attempt: 2 })
    await apply(retried, ask({ length: 6 }, 2))
    await apply(text, ask({ kind: 'text' }))
    for (const hash of [retried, text]) {
      expect((await statusOf(hash)).status).toBe('otp_required')
      expect(await otpMailbox.take(hash)).toBeNull()
    }
  })

  test('an early code that does not fit the question leaves it open, with all tries', async () => {
    const hash = await running('09120000005')
    await answer(hash, { otp: '1234' }).expect(202)
    await apply(hash, ask({ length: 6 }))
    expect(await statusOf(hash)).toMatchObject({ status: 'otp_required', otp_data: { attempts_left: 3 } })
  })

  test('an early code of the wrong form is refused immediately', async () => {
    const hash = await running('09120000006')
    const { body } = await answer(hash, { otp: '12ab' }).expect(422)
    expect(body).toMatchObject({ code: 'invalid_otp', detail: 'The code has digits only.' })
    expect(await redis.exists(keys.earlyOtp(hash))).toBe(0)
  })

  test('an early code is a wrong try like any other, and counts once', async () => {
    const hash = await running('09120000007')
    for (let n = 0; n < 5; n++) await answer(hash, { otp: `11111${n}` }).expect(202)
    await apply(hash, ask({ length: 6 }))
    await apply(hash, { type: 'reject_otp', attempt: 1 })
    expect((await statusOf(hash)).otp_data.attempts_left).toBe(2)
    for (const otp of ['222222', '333333']) {
      await answer(hash, { otp }).expect(202)
      await apply(hash, otp === '222222' ? { type: 'reject_otp', attempt: 1 } : COMPLETE)
    }
    // Two wrong ones are left in the count: with one more the limit of three is reached.
    const next = await running('09120000007')
    await answer(next, { otp: '111111' }).expect(202)
    await answer(await running('09120000007'), { otp: '111111' }).expect(429)
  })

  test('an early code that was never used does not count once its request has ended', async () => {
    const hash = await running('09120000008')
    const { subject } = JSON.parse((await redis.get(keys.record(hash))) ?? '')
    await answer(hash, { otp: '111111' }).expect(202)
    expect(await redis.zcard(keys.subject('tries', subject))).toBe(1)
    await apply(hash, { type: 'cancel', by: 'user' })
    expect(await redis.zcard(keys.subject('tries', subject))).toBe(0)
  })

  test('a right early code is no wrong try once its request is completed', async () => {
    const hash = await running('09120000011')
    const { subject } = JSON.parse((await redis.get(keys.record(hash))) ?? '')
    await answer(hash, { otp: '111111' }).expect(202)
    await apply(hash, ask({ length: 6 }))
    expect(await redis.zcard(keys.subject('tries', subject))).toBe(1)
    await apply(hash, COMPLETE)
    expect(await redis.zcard(keys.subject('tries', subject))).toBe(0)
  })

  test('no early code is accepted before the start, after a question, or of a service that asks for none', async () => {
    const { hash: pending } = (
      await api
        .post('/api/local-requests')
        .send({ ...CREDIT_SCORE, request_data: { ...CREDIT_SCORE.request_data, mobile: '09120000009' } })
    ).body
    const answered = await running('09120000010')
    await apply(answered, ask({ length: 6 }))
    await answer(answered, { otp: '111111' }).expect(202)
    for (const hash of [pending, answered, await given([START])]) {
      expect((await answer(hash, { otp: '222222' }).expect(409)).body.code).toBe('otp_not_expected')
      expect(await redis.exists(keys.earlyOtp(hash))).toBe(0)
    }
  })

  test('a code that comes at the moment of the question is handed over once', async () => {
    for (let round = 0; round < 10; round++) {
      const hash = await running(`0913000000${round}`)
      await Promise.all([answer(hash, { otp: '483920' }).expect(202), apply(hash, ask({ length: 6 }))])
      expect((await statusOf(hash)).status).toBe('processing')
      expect(await otpMailbox.take(hash)).toBe('483920')
      expect(await redis.exists(keys.earlyOtp(hash))).toBe(0)
    }
  })
})

test('a page of a request whose bot asks shows the form of its kind', async () => {
  const hash = await asked({ kind: 'choice', message: 'Which account?', options: OPTIONS })
  const { text } = await api.get(`/services/test-service/otp/${hash}?lang=fa`).set('Accept', HTML).expect(200)
  expect(text).toContain('پس‌انداز')
})
