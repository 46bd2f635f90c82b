import { load } from 'cheerio'
import { describe, expect, test } from 'vitest'
import { keys } from '../../core/redis/keys.ts'
import { eventually } from '../helpers/eventually.ts'
import { ASK, START } from '../helpers/record.ts'
import { onRealRedis, useRedis } from '../helpers/redis.ts'
import { CREDIT_SCORE, useServer } from '../helpers/server.ts'
import { at, HTML, openBrowser, textOf } from './page-browser.ts'

const FORM = '/services/credit-score-rating'
const PAGES = ['progress', 'otp', 'result', 'cancel', 'resend-otp']

const testRedis = await useRedis()
const redis = await testRedis.connections.connect('patient')
const { address, api, given } = await useServer(testRedis)
const browser = openBrowser(address)

describe('what a page of another site sends', () => {
  const send = (path: string, headers: Record<string, string>) =>
    api
      .post(path)
      .type('form')
      .set({ Accept: HTML, ...headers })
      .send({ ...CREDIT_SCORE.request_data })
  test.each([
    { Origin: 'https://evil.example' },
    { 'Sec-Fetch-Site': 'cross-site', Origin: 'null' },
    { 'Sec-Fetch-Site': 'same-site', Origin: 'null' },
    { Origin: 'null' },
  ] as Record<string, string>[])('does nothing, and a page says why: %o', async (headers) => {
    const hash = await given([START, ASK])
    const before = [await redis.get(keys.record(hash)), await redis.llen(keys.list)]
    for (const path of [FORM, at('otp', hash), at('resend-otp', hash), at('cancel', hash)]) {
      const { text } = await send(path, headers)
        .expect(403)
        .expect('Content-Type', /^text\/html/)
      expect(textOf(load(text), 'h1')).toBe('This was sent from another site')
    }
    expect([await redis.get(keys.record(hash)), await redis.llen(keys.list)]).toEqual(before)
  })

  test.each([
    { 'Sec-Fetch-Site': 'same-origin', Origin: 'null' },
    { 'Sec-Fetch-Site': 'same-origin', Origin: address },
    { Origin: address },
    {},
  ] as Record<string, string>[])(
    'is told apart from what ours send, by every browser: %o',
    async (headers) => {
      await send(FORM, headers).expect(303)
      await send(at('cancel', await given([START])), headers).expect(303)
    },
  )
})

test('a code page does not read more than 64 kB either', async () => {
  const hash = await given([START, ASK])
  const { text } = await browser.post(at('otp', hash), { otp: '1'.repeat(65 * 1024) }).expect(413)
  expect(textOf(load(text), 'h1')).toBe('This is too much to send')
})

test('too often is a page that says when to go on, and where; looking is never too often', async () => {
  const limited = await useServer(testRedis, {
    settings: { SUBMITS_PER_MINUTE: '1', ACTIONS_PER_MINUTE: '1' },
  })
  const eager = openBrowser(limited.address, { 'X-Forwarded-For': '192.0.2.70' })
  const hash = await given([START, ASK])
  await eager.post(FORM).expect(422)
  await eager.post(at('otp', hash)).expect(422)
  for (const path of [FORM, at('otp', hash), at('resend-otp', hash), at('cancel', hash)]) {
    const { text, headers } = await eager.post(path, CREDIT_SCORE.request_data).expect(429)
    const seconds = Number(headers['retry-after'])
    expect(seconds).toBeGreaterThan(30)
    expect(seconds).toBeLessThanOrEqual(60)
    const $ = load(text)
    expect(textOf($, 'h1')).toBe('That was too often')
    expect(textOf($, 'main')).toContain(
      `Please try again in ${seconds === 60 ? '1 minute' : `${seconds} s`}.`,
    )
    // The way on is a link, and what it leads to is there.
    expect([200, 303]).toContain((await eager.get(String($('main .button').first().attr('href')))).status)
  }
  expect(JSON.parse((await redis.get(keys.record(hash))) ?? '').status).toBe('otp_required')
  await limited.stop()
})

// Last: the Redis of this file comes back empty.
test.runIf(onRealRedis)(
  'while Redis is away each page says so within a second, and works again when it is back',
  async () => {
    const hash = await given([START, ASK])
    const post = (path: string) => browser.post(path, { ...CREDIT_SCORE.request_data, otp: '123456' })
    await testRedis.goAway()
    for (const call of [
      () => post(FORM),
      ...PAGES.map((page) => () => browser.get(at(page, hash))),
      ...['otp', 'resend-otp', 'cancel'].map((page) => () => post(at(page, hash))),
    ]) {
      const begun = performance.now()
      const { text, headers } = await call()
        .expect(503)
        .expect('Content-Type', /^text\/html/)
      expect(performance.now() - begun).toBeLessThan(1000)
      expect(headers).toMatchObject({ 'retry-after': '5', 'cache-control': 'no-store' })
      expect(textOf(load(text), 'h1')).toBe('We are away for a moment')
      expect(textOf(load(text), 'main .button:first-child')).toBe('Try again')
    }
    await browser.get('/').expect(200)
    await browser.get(FORM).expect(200)
    await testRedis.comeBack()
    await eventually(() => browser.post(FORM, CREDIT_SCORE.request_data).expect(303))
  },
)
