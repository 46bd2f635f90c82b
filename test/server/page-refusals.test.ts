import { type CheerioAPI, load } from 'cheerio'
import { describe, expect, test } from 'vitest'
import { eventually } from '../helpers/eventually.ts'
import { keys } from '../helpers/keys.ts'
import { aHash, REQUIRE_OTP, START } from '../helpers/record.ts'
import { onRealRedis, useRedis } from '../helpers/redis.ts'
import { CREDIT_SCORE, useServer } from '../helpers/server.ts'
import { at, HTML, openBrowser, textOf } from './page-browser.ts'

const FORM = '/services/credit-score-rating'
const KEY = 'a-key-made-at-render'
const PAGES = ['progress', 'otp', 'result', 'cancel', 'resend-otp']

const testRedis = await useRedis()
const redis = await testRedis.connections.connect('patient')
const { address, api, given } = await useServer(testRedis)
const browser = openBrowser(address)

describe('a form sent by a page of another site', () => {
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
    { Origin: 'null', Referer: `${address}${FORM}` },
    { Referer: 'https://evil.example/' },
    { Referer: `https://evil.example/${address}` },
    { Referer: 'nonsense' },
  ] as Record<string, string>[])(
    'a form from another site changes nothing and gets a page that says why: %o',
    async (headers) => {
      const hash = await given([START, REQUIRE_OTP])
      const before = [await redis.get(keys.record(hash)), await redis.llen(keys.list)]
      for (const path of [FORM, at('otp', hash), at('resend-otp', hash), at('cancel', hash)]) {
        const { text } = await send(path, headers)
          .expect(403)
          .expect('Content-Type', /^text\/html/)
        const $ = load(text)
        expect(textOf($, 'h1, .error-summary h2')).toContain('This was sent from another site')
        expect(textOf($, 'main')).toContain('Nothing was done. If it was you, please do it on our own page.')
        // A user whose browser sends too few headers can go on: the page has the values, or a link to the form.
        if (path === FORM) expectKept($, CREDIT_SCORE.request_data)
        else
          expect([200, 303]).toContain(
            (await browser.get(String($('main .button').first().attr('href')))).status,
          )
      }
      expect([await redis.get(keys.record(hash)), await redis.llen(keys.list)]).toEqual(before)
    },
  )

  test.each([
    { 'Sec-Fetch-Site': 'same-origin', Origin: 'null' },
    { 'Sec-Fetch-Site': 'same-origin', Origin: address },
    { Origin: address },
    { Origin: address, Referer: 'https://evil.example/' },
    { Referer: `${address}${FORM}` },
    { Referer: '' },
    {},
  ] as Record<string, string>[])(
    "a form of the server's own page is accepted with the headers of every browser: %o",
    async (headers) => {
      await send(FORM, headers).expect(303)
      await send(at('cancel', await given([START])), headers).expect(303)
    },
  )
})

/** Expects the form with the values that were sent. */
function expectKept($: CheerioAPI, sent: Record<string, string>): void {
  expect($('title').text()).toBe('Error: Credit score · Online services')
  expect($('form.form').attr()).toMatchObject({ method: 'post', action: FORM })
  for (const [name, value] of Object.entries(sent)) expect($(`input[name=${name}]`).val()).toBe(value)
  expect($('[aria-invalid]')).toHaveLength(0)
  expect(textOf($, '.error-summary')).toContain('What you typed is still here.')
}

test('a code form over 64 kB is refused unread', async () => {
  const hash = await given([START, REQUIRE_OTP])
  const { text } = await browser.refused(at('otp', hash), { otp: '1'.repeat(65 * 1024) }).expect(413)
  expect(textOf(load(text), 'h1')).toBe('This is too much to send')
})

describe('rate-limited forms', () => {
  const limitedTo = (perMinute: string) =>
    useServer(testRedis, { settings: { SUBMITS_PER_MINUTE: perMinute, ACTIONS_PER_MINUTE: perMinute } })
  const inWords = (headers: Record<string, string>): string => {
    const seconds = Number(headers['retry-after'])
    expect(seconds).toBeGreaterThan(30)
    expect(seconds).toBeLessThanOrEqual(60)
    return `Please try again in ${seconds === 60 ? '1 minute' : `${seconds} s`}.`
  }

  test('a rate-limited form is shown again with its values and the time to wait', async () => {
    const limited = await limitedTo('1')
    const eager = openBrowser(limited.address, { 'X-Forwarded-For': '192.0.2.71' })
    await eager.refused(FORM).expect(422)
    const typed = { mobile: ' ۰۹۱۲ 345 6789"><b>', national_code: '1' }
    const { text, headers } = await eager.refused(FORM, { _key: KEY, ...typed }).expect(429)
    expect(headers).toMatchObject({ 'cache-control': 'no-store', 'x-robots-tag': 'noindex, nofollow' })
    const $ = load(text)
    expectKept($, typed)
    expect(textOf($, '.error-summary h2')).toBe('Too many requests in a short time')
    expect(textOf($, '.error-summary')).toContain(inWords(headers))
    expect($('input[name=_key]').val()).toBe(KEY)
    await limited.stop()
  })

  test('a rate-limited form sent again creates one request, because it keeps its key', async () => {
    const limited = await limitedTo('2')
    const [first, second] = ['192.0.2.72', '192.0.2.73'].map((ip) => ({ 'X-Forwarded-For': ip }))
    const eager = openBrowser(limited.address)
    await eager.open(FORM)
    const send = (from: object | undefined, fields: object) =>
      eager.refused(FORM, fields).set({ ...(from as Record<string, string>) })
    const sent = (from: object | undefined, fields: object) => send(from, fields).redirects(0).expect(303)
    const made = await sent(first, { _key: KEY, ...CREDIT_SCORE.request_data })
    await send(first, {}).expect(422)
    const refused = await send(first, { _key: KEY, ...CREDIT_SCORE.request_data }).expect(429)
    const shown = Object.fromEntries(
      load(refused.text)('form.form input')
        .toArray()
        .map(({ attribs }) => [attribs.name, attribs.value]),
    )
    // Stands for the next minute: another address, so that the test need not wait.
    const again = await sent(second, shown)
    expect(again.headers.location).toBe(made.headers.location)
    await limited.stop()
  })

  test('a rate-limited form that is too large gets a page with the time to wait, without its values', async () => {
    const limited = await limitedTo('1')
    const eager = openBrowser(limited.address, { 'X-Forwarded-For': '192.0.2.74' })
    await eager.refused(FORM).expect(422)
    const { text, headers } = await eager.refused(FORM, { mobile: 'x'.repeat(65 * 1024) }).expect(429)
    expect(textOf(load(text), 'h1')).toBe('Too many requests in a short time')
    expect(textOf(load(text), 'main')).toContain(inWords(headers))
    await limited.stop()
  })

  test('a rate-limited code or resend is reported at the code field, a cancel on an error page', async () => {
    const limited = await limitedTo('1')
    const eager = openBrowser(limited.address, { 'X-Forwarded-For': '192.0.2.75' })
    const hash = await given([START, REQUIRE_OTP])
    await eager.refused(at('otp', hash)).expect(422)
    for (const page of ['otp', 'resend-otp']) {
      const { text, headers } = await eager.refused(at(page, hash), { otp: '123456' }).expect(429)
      expect(headers).toMatchObject({ 'cache-control': 'no-store' })
      const $ = load(text)
      expect(textOf($, '#otp-error')).toBe(`Too many requests in a short time. ${inWords(headers)}`)
      expect($('title').text()).toMatch(/^Error: Code needed/)
      expect($('#otp').attr('value')).toBeUndefined()
      expect(text).not.toContain('123456')
    }
    const { text, headers } = await eager.refused(at('cancel', hash)).expect(429)
    expect(textOf(load(text), 'h1')).toBe('Too many requests in a short time')
    expect(textOf(load(text), 'main')).toContain(inWords(headers))
    const next = String(load(text)('main .button').first().attr('href'))
    // GETs are not rate-limited.
    await eager.get(next).expect(200)
    expect(JSON.parse((await redis.get(keys.record(hash))) ?? '').status).toBe('otp_required')
    await limited.stop()
  })

  test('a rate-limited code or resend redirects to the page of a request that awaits none, and is 404 for an unknown one', async () => {
    const limited = await limitedTo('1')
    const eager = openBrowser(limited.address, { 'X-Forwarded-For': '192.0.2.76' })
    const [running, gone] = [await given([START]), aHash()]
    await eager.post(at('otp', gone)).expect(404)
    for (const page of ['otp', 'resend-otp']) {
      await eager.post(at(page, running)).expect(303).expect('Location', at('progress', running))
      await eager.post(at(page, gone)).expect(404)
    }
    await eager.refused(at('cancel', running)).expect(429)
    expect(JSON.parse((await redis.get(keys.record(running))) ?? '').status).toBe('processing')
    await limited.stop()
  })
})

// Last in this file, because its Redis restarts empty.
test.runIf(onRealRedis)(
  'while Redis is down each page says so, and works again once it is back',
  async () => {
    const hash = await given([START, REQUIRE_OTP])
    const post = (path: string) => browser.post(path, { ...CREDIT_SCORE.request_data, otp: '123456' })
    await testRedis.stop()
    const form = await browser.post(FORM, { _key: KEY, ...CREDIT_SCORE.request_data }).expect(503)
    expect(form.headers).toMatchObject({ 'retry-after': '5', 'cache-control': 'no-store' })
    expectKept(load(form.text), { _key: KEY, ...CREDIT_SCORE.request_data })
    expect(textOf(load(form.text), '.error-summary')).toMatch(
      /^We are temporarily unavailable The problem is on our side\. Please try again in a moment\./,
    )
    for (const call of [
      ...PAGES.map((page) => () => browser.get(at(page, hash))),
      ...['otp', 'resend-otp', 'cancel'].map((page) => () => post(at(page, hash))),
    ]) {
      const { text, headers } = await call()
        .expect(503)
        .expect('Content-Type', /^text\/html/)
      expect(headers).toMatchObject({ 'retry-after': '5', 'cache-control': 'no-store' })
      expect(textOf(load(text), 'h1')).toBe('We are temporarily unavailable')
      expect(textOf(load(text), 'main .button:first-child')).toBe('Try again')
    }
    await browser.get('/').expect(200)
    await browser.get(FORM).expect(200)
    await testRedis.restart()
    await eventually(() => browser.post(FORM, CREDIT_SCORE.request_data).expect(303))
  },
)
