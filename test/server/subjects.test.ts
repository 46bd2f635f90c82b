import { load } from 'cheerio'
import { describe, expect, test } from 'vitest'
import { createRetry } from '../../core/actions/retry-request.ts'
import { queuesOf } from '../../core/catalog/catalog.ts'
import type { Command } from '../../core/domain/command.ts'
import { createQueues } from '../../core/queue/queues.ts'
import { createFailedRequests } from '../../core/store/failed-requests.ts'
import { createRequestStore } from '../../core/store/request-store.ts'
import { createSessionRequests } from '../../core/store/session-requests.ts'
import { createSubjectLimiter } from '../../core/store/subject-limits.ts'
import { keys } from '../helpers/keys.ts'
import { START, TTL_SECONDS } from '../helpers/record.ts'
import { quiet, useRedis } from '../helpers/redis.ts'
import { redisContents } from '../helpers/redis-contents.ts'
import { collectLog, useServer } from '../helpers/server.ts'
import { catalog, creditScoreRating } from '../helpers/services.ts'
import { HTML } from './page-browser.ts'

const { log, lines: logged } = collectLog()
const testRedis = await useRedis()
const redis = await testRedis.connections.connect('patient')
const settings = { SUBJECT_CODES_PER_HOUR: '5', SUBJECT_WRONG_CODES_PER_HOUR: '10' }
const { api, apply, given, store } = await useServer(testRedis, { settings, log })

/** Each test uses another subject. */
let made = 0
const aMobile = (): string => `0912${String(++made).padStart(7, '0')}`
const NATIONAL_CODE = '0012345679'

const submit = (mobile: string, more: object = {}) =>
  api.post('/api/local-requests').send({
    service_slug: 'credit-score-rating',
    request_data: { mobile, national_code: NATIONAL_CODE },
    ...more,
  })
const submitted = async (mobile: string, more?: object): Promise<string> =>
  (await submit(mobile, more).expect(202)).body.hash
const statement = (mobile: string) =>
  api
    .post('/api/local-requests')
    .send({ service_slug: 'account-statement', request_data: { mobile, account_number: '1234567890' } })
const typed = (hash: string) => api.post(`/api/local-requests/${hash}/otp`).send({ otp: '123456' })
const resend = (hash: string) => api.post(`/api/local-requests/${hash}/resend-otp`)

const REQUIRE_OTP: Command = {
  type: 'require_otp',
  attempt: 1,
  otp: { id: 'otp-1', length: 6, expires_in: 600 },
}
const REJECT: Command = { type: 'reject_otp', attempt: 1 }
const FAIL: Command = { type: 'fail', attempt: 1, error: { code: 'x', message: 'X', retryable: false } }

async function withPrompt(mobile: string): Promise<string> {
  const hash = await submitted(mobile)
  await apply(hash, START)
  await apply(hash, REQUIRE_OTP)
  return hash
}

describe('the limit of codes per subject', () => {
  test('a subject gets at most five codes an hour, also with concurrent submits', async () => {
    const mobile = aMobile()
    const answers = await Promise.all(Array.from({ length: 50 }, () => submit(mobile)))
    expect(answers.filter(({ status }) => status === 202)).toHaveLength(5)
    const refused = answers.find(({ status }) => status !== 202)
    expect(refused?.status).toBe(429)
    expect(refused?.body).toMatchObject({
      code: 'subject_limit_reached',
      retryable: true,
      errors: [{ field: 'mobile', code: 'subject_limit_reached' }],
    })
    const wait = Number(refused?.headers['retry-after'])
    expect(wait).toBeGreaterThan(3500)
    expect(wait).toBeLessThanOrEqual(3600)
  })

  test('codes of a subject count across services and spellings of the number, apart from other subjects', async () => {
    const mobile = aMobile()
    for (const form of [mobile, mobile.replace(/^0/, '+98'), mobile.replace(/^0/, '۰')]) await submitted(form)
    await statement(mobile).expect(202)
    await statement(mobile).expect(202)
    await statement(mobile).expect(429)
    await submit(aMobile()).expect(202)
  })

  test('codes of a subject count in a batch, request by request', async () => {
    const mobile = aMobile()
    const one = {
      service_slug: 'credit-score-rating',
      request_data: { mobile, national_code: NATIONAL_CODE },
    }
    const { body } = await api
      .post('/api/local-requests')
      .send({ requests: Array(8).fill(one) })
      .expect(202)
    expect(body).toMatchObject({ accepted: 5, refused: 3 })
  })

  test('codes of scheduled requests count at their due time', async () => {
    const mobile = aMobile()
    const in_seconds = 7200
    for (let i = 0; i < 5; i++) await submitted(mobile, { delay: in_seconds })
    await submit(mobile, { delay: in_seconds + 600 }).expect(429)
    await submit(mobile).expect(202)
  })

  test('a form over the limit of codes is refused at the field, in both languages', async () => {
    const mobile = aMobile()
    for (let i = 0; i < 5; i++) await submitted(mobile)
    for (const [lang, words] of [
      ['en', /Mobile number has had too many codes in the last hour\. Please try again in (59|60) minutes\./],
      [
        'fa',
        /در یک ساعت گذشته کدهای زیادی به \u2068شمارهٔ تلفن همراه\u2069 فرستاده شده است\. لطفاً (۵۹|۶۰) دقیقهٔ دیگر دوباره تلاش کنید\./,
      ],
    ] as const) {
      const { text } = await api
        .post('/services/credit-score-rating')
        .set({ Accept: HTML, 'Accept-Language': lang })
        .type('form')
        .redirects(1)
        .send({ mobile, national_code: NATIONAL_CODE })
      const $ = load(text)
      expect($('#field-mobile-error').text()).toMatch(words)
      expect($('#field-mobile').val()).toBe(mobile)
    }
  })

  test('a request that ends before its bot started gives its code back', async () => {
    const mobile = aMobile()
    const hashes = await Promise.all(Array.from({ length: 5 }, () => submitted(mobile)))
    const [cancelled = '', failed = ''] = hashes
    await api.post(`/api/local-requests/${cancelled}/cancel`).expect(200)
    await apply(failed, START)
    await apply(failed, FAIL)
    await submitted(mobile)
    await submitted(mobile)
    await submit(mobile).expect(429)
  })

  test('a request cancelled while its bot works does not give its code back', async () => {
    const mobile = aMobile()
    for (let i = 0; i < 5; i++) {
      const hash = await submitted(mobile)
      await apply(hash, START)
      await api.post(`/api/local-requests/${hash}/cancel`).expect(200)
    }
    await submit(mobile).expect(429)
  })

  test('resends count as codes, and are refused over the limit with the time to wait', async () => {
    const mobile = aMobile()
    const subject = (await store.read(await submitted(mobile)))?.record.subject
    const hash = await given([START, REQUIRE_OTP], {
      now: Date.now() - 31_000,
      subject,
      service: creditScoreRating,
    })
    await resend(hash).expect(202)
    for (let i = 0; i < 3; i++) await submitted(mobile)
    const other = await given([START, REQUIRE_OTP], {
      now: Date.now() - 31_000,
      subject,
      service: creditScoreRating,
    })
    const res = await resend(other).expect(429)
    expect(res.body.code).toBe('subject_limit_reached')
    expect(Number(res.headers['retry-after'])).toBeGreaterThan(3500)
    const page = await api
      .post(`/services/credit-score-rating/resend-otp/${other}`)
      .set('Accept', HTML)
      .redirects(1)
    expect(load(page.text)('main').text()).toContain('Too many codes were sent or mistyped within an hour.')
  })

  test('resends that the request itself refuses do not count', async () => {
    const mobile = aMobile()
    const hash = await withPrompt(mobile)
    for (let i = 0; i < 10; i++) expect((await resend(hash).expect(429)).body.code).toBe('resend_not_yet')
    for (let i = 0; i < 4; i++) await submitted(mobile)
  })

  test('codes that the bot sends on its own count', async () => {
    const mobile = aMobile()
    const hash = await withPrompt(mobile)
    await typed(hash).expect(202)
    await apply(hash, REQUIRE_OTP)
    for (let i = 0; i < 3; i++) await submitted(mobile)
    await submit(mobile).expect(429)
  })

  test('retrying a failed request over the limit of codes is refused', async () => {
    const mobile = aMobile()
    const hash = await submitted(mobile)
    await apply(hash, START)
    await apply(hash, REQUIRE_OTP)
    await apply(hash, FAIL)
    for (let i = 0; i < 4; i++) await submitted(mobile)
    const queues = createQueues({ redis, log: quiet, queueList: () => queuesOf(catalog) })
    const subjectLimiter = createSubjectLimiter({ redis, limits: { codesPerHour: 5, wrongCodesPerHour: 10 } })
    const failures = createFailedRequests({ redis })
    const retry = createRetry({
      redis,
      store,
      failures,
      queues,
      sessionRequests: createSessionRequests({ redis }),
      subjectLimiter,
      limits: { maxUnfinished: 1, maxUnfinishedPerQueue: 1, maxUnfinishedPerSubmitter: 1 },
      catalog,
      ttlSeconds: TTL_SECONDS,
    })
    expect(await retry(hash, 'one')).toMatchObject({ ok: false, reason: 'subject_limit_reached' })
    expect(await failures.find(hash)).toMatchObject({ retried_as: null })
    await queues.stop()
  })
})

describe('the limit of wrong codes per subject', () => {
  const wrong = async (hash: string, times: number): Promise<void> => {
    for (let i = 0; i < times; i++) {
      await typed(hash).expect(202)
      await apply(hash, REJECT)
    }
  }

  test('a subject may enter ten wrong codes an hour over all requests; further codes reach no bot', async () => {
    const mobile = aMobile()
    const hashes: string[] = []
    for (let i = 0; i < 5; i++) hashes.push(await withPrompt(mobile))
    const [a = '', b = '', c = '', d = '', e = ''] = hashes
    for (const hash of [a, b, c, d]) await wrong(hash, 2)
    await wrong(e, 2)
    const res = await typed(a).expect(429)
    expect(res.body.code).toBe('subject_limit_reached')
    expect(Number(res.headers['retry-after'])).toBeGreaterThan(3500)
    expect(await redis.get(keys.otp(a))).toBeNull()
    expect((await store.read(a))?.record.status).toBe('otp_required')
  })

  test('concurrent wrong codes do not exceed the limit of a subject', async () => {
    const mobile = aMobile()
    const hashes = []
    for (let i = 0; i < 5; i++) hashes.push(await withPrompt(mobile))
    await wrong(hashes[0] as string, 2)
    await wrong(hashes[1] as string, 2)
    await wrong(hashes[2] as string, 2)
    await wrong(hashes[3] as string, 1)
    // Three attempts are left for five codes.
    const answers = await Promise.all(hashes.map((hash) => typed(hash)))
    expect(answers.map(({ status }) => status).sort()).toEqual([202, 202, 202, 429, 429])
  })

  test('correct codes do not count as wrong codes', async () => {
    const mobile = aMobile()
    for (let i = 0; i < 3; i++) {
      const hash = await withPrompt(mobile)
      await typed(hash).expect(202)
      await apply(hash, { type: 'complete', attempt: 1, result: 1 })
    }
    const count = keys.subject('tries', (await store.read(await withPrompt(mobile)))?.record.subject ?? '')
    expect(await redis.zcard(count)).toBe(0)
  })

  test('of two concurrent codes for one prompt only the accepted one counts', async () => {
    const mobile = aMobile()
    const hash = await withPrompt(mobile)
    await Promise.all([typed(hash), typed(hash), typed(hash)])
    const subject = (await store.read(hash))?.record.subject ?? ''
    expect(await redis.zcard(keys.subject('tries', subject))).toBe(1)
  })
})

describe('the stored phone number', () => {
  test('the phone number is in Redis only in request_data, and in no view or log', async () => {
    const mobile = aMobile()
    const hash = await withPrompt(mobile)
    await typed(hash).expect(202)
    for (let i = 0; i < 5; i++) await submit(mobile)
    const record = (await store.read(hash))?.record
    expect(record?.subject).toMatch(/^[\w-]{22}$/)
    expect(await redisContents(redis, '*subject*')).toContain(record?.subject)
    expect(await redisContents(redis, '*subject*')).not.toContain(mobile.slice(1))
    const status = await api.get(`/api/local-requests/${hash}/status`).expect(200)
    expect(status.text).not.toContain(record?.subject)
    expect(logged.join('')).not.toContain(mobile.slice(1))
  })

  test('the counters of a subject expire an hour after the last count', async () => {
    const hash = await withPrompt(aMobile())
    const count = keys.subject('codes', (await store.read(hash))?.record.subject ?? '')
    const left = await redis.pttl(count)
    expect(left).toBeGreaterThan(3_500_000)
    expect(left).toBeLessThanOrEqual(3_600_000)
  })
})

test("a cancel through another process's store still counts the code of its subject", async () => {
  const mobile = aMobile()
  const hash = await withPrompt(mobile)
  const other = createRequestStore({ redis, ttlSeconds: TTL_SECONDS })
  await other.apply(hash, { type: 'cancel', by: 'user' })
  for (let i = 0; i < 4; i++) await submitted(mobile)
  await submit(mobile).expect(429)
})
