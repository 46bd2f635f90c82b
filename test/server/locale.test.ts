/** The language of responses to browsers and programs. */
import { load } from 'cheerio'
import { describe, expect, test } from 'vitest'
import { aHash, REQUIRE_OTP, START, TTL_SECONDS } from '../helpers/record.ts'
import { onRealRedis, useRedis } from '../helpers/redis.ts'
import { CREDIT_SCORE, useServer } from '../helpers/server.ts'
import { at, openBrowser, textOf } from './page-browser.ts'

const FORM = '/services/credit-score-rating'

const testRedis = await useRedis()
const { address, api, given } = await useServer(testRedis)

const languageAt = async (path: string, headers: Record<string, string>): Promise<string | undefined> => {
  const res = await openBrowser(address, headers).get(path)
  const shown = load(res.text)('html').attr('lang')
  expect(res.headers['content-language']).toBe(shown)
  return shown
}

describe('a page', () => {
  test.each([
    ['', 'en'],
    ['fa', 'fa'],
    ['fa-IR', 'fa'],
    ['fa-IR,fa;q=0.9,en;q=0.8', 'fa'],
    ['en-US,en;q=0.9,fa;q=0.8', 'en'],
    ['en;q=0.2, fa;q=0.7', 'fa'],
    ['de, fr;q=0.5', 'en'],
    ['de, fa;q=0.1', 'fa'],
    ['fa;q=0', 'en'],
    ['*', 'en'],
    [';;;,=', 'en'],
  ])('a page for Accept-Language "%s" is in %s', async (preferred, expected) => {
    expect(await languageAt('/', { 'Accept-Language': preferred })).toBe(expected)
  })

  test.each([
    ['/?lang=fa', 'halfway_lang=en', 'en', 'fa'],
    ['/?lang=en', 'halfway_lang=fa', 'fa', 'en'],
    ['/', 'halfway_lang=fa', 'en', 'fa'],
    ['/', 'a=b; halfway_lang=en; c=d', 'fa', 'en'],
    ['/?lang=xx', 'halfway_lang=fa', 'en', 'fa'],
    ['/?lang=fa&lang=fa', 'halfway_lang=en', 'fa', 'en'],
    ['/?lang=__proto__', 'halfway_lang=xx', 'fa', 'fa'],
    ['/', 'xhalfway_lang=en', 'fa', 'fa'],
  ])(
    'a page at %s with the cookie "%s" and Accept-Language %s is in %s',
    async (path, Cookie, preferred, expected) => {
      expect(await languageAt(path, { Cookie, 'Accept-Language': preferred })).toBe(expected)
    },
  )

  test('?lang stores the language in an HttpOnly cookie for a year', async () => {
    const browser = openBrowser(address)
    const cookies = (await browser.get('/?lang=fa')).headers['set-cookie'] as unknown as string[]
    expect(cookies.find((cookie) => cookie.startsWith('halfway_lang='))).toMatch(
      /^halfway_lang=fa; Max-Age=31536000; Path=\/; Expires=[^;]+; HttpOnly; SameSite=Lax$/,
    )
    const form = await browser.open(FORM)
    expect(textOf(form, 'h1')).toBe('رتبهٔ اعتباری')
    const sent = await browser
      .post(FORM, { ...CREDIT_SCORE.request_data, mobile: '۰۹۱۲ ۳۴۵ ۶۷۸۹' })
      .expect(303)
    expect((await browser.open(String(sent.headers.location)))('html').attr('lang')).toBe('fa')
    const wrong = await browser.refused(FORM, { mobile: '۱' }).expect(422)
    expect(load(wrong.text)('title').text()).toMatch(/^خطا: /)
  })

  test('the language cookie is Secure when it was set over TLS', async () => {
    const res = await openBrowser(address, { 'X-Forwarded-Proto': 'https' }).get('/?lang=fa')
    const cookies = res.headers['set-cookie'] as unknown as string[]
    expect(cookies).toHaveLength(2)
    for (const cookie of cookies) expect(cookie).toMatch(/; Secure/)
  })

  test('a page without ?lang sets no language cookie', async () => {
    const { headers } = await openBrowser(address, { 'Accept-Language': 'fa' }).get('/?lang=de')
    expect(String(headers['set-cookie'])).not.toContain('halfway_lang')
  })

  test('the language link keeps the request and its state, also across a redirect', async () => {
    const hash = await given([START, REQUIRE_OTP])
    const browser = openBrowser(address)
    const code = await browser.open(`${at('otp', hash)}?refused=x`)
    const link = new URL(String(code('.language').attr('href')), `${address}${at('otp', hash)}?refused=x`)
    expect(link.pathname).toBe(at('otp', hash))
    expect(link.searchParams.has('refused')).toBe(true)
    const persian = await browser.open(link.pathname + link.search)
    expect(textOf(persian, 'h1')).toBe('کد تأیید لازم است')
    // The request's state has another page by now: the redirect keeps the language.
    await browser.post(at('cancel', hash)).expect(303)
    const away = await browser.get(`${at('progress', hash)}?lang=en`).expect(303)
    expect((await browser.open(String(away.headers.location)))('html').attr('lang')).toBe('en')
  })

  test('an error page is in the chosen language, whichever middleware failed', async () => {
    const browser = openBrowser(address, { 'Accept-Language': 'fa' })
    const hash = await given([START, REQUIRE_OTP])
    const wrong = await browser.refused(at('otp', hash), { otp: '۱۲' }).expect(422)
    expect(textOf(load(wrong.text), '#otp-error')).toBe('کد ۶ رقم دارد، شما ۲ رقم وارد کردید')
    for (const [path, status] of [
      ['/nowhere', 404],
      [at('progress', aHash()), 404],
      [at('progress', aHash(Date.now() - TTL_SECONDS * 1000)), 410],
      ['/services/none', 404],
      ['/services/%ff', 400],
    ] as const) {
      const res = await browser.get(path).expect(status)
      expect(load(res.text)('html').attr(), path).toMatchObject({ lang: 'fa', dir: 'rtl' })
      expect(res.headers, path).toMatchObject({
        'content-language': 'fa',
        vary: expect.stringMatching(/^Accept-Language, Cookie/),
      })
    }
    const foreign = await browser.post(FORM).set('Sec-Fetch-Site', 'cross-site').expect(403)
    expect(textOf(load(foreign.text), '.error-summary h2')).toBe('این درخواست از وب‌گاه دیگری فرستاده شده است')
  })

  test('pages vary on Accept-Language and Cookie', async () => {
    const hash = await given([START])
    for (const path of ['/', FORM, at('progress', hash)])
      expect((await api.get(path).set('Accept', 'text/html')).headers.vary, path).toMatch(
        /^Accept-Language, Cookie(, Accept-Encoding)?$/,
      )
  })
})

describe('a program', () => {
  test.each([
    ['', 'There is no such request'],
    ['fa', 'چنین درخواستی وجود ندارد'],
  ])('a problem for Accept-Language "%s" has the title "%s" and the same code', async (preferred, title) => {
    const res = await api.get(`/api/local-requests/${aHash()}/status`).set('Accept-Language', preferred)
    expect(res.body).toMatchObject({ code: 'request_not_found', title })
  })

  test('field errors are in Persian for a program that prefers Persian', async () => {
    const res = await api
      .post('/api/local-requests')
      .set('Accept-Language', 'fa-IR,fa;q=0.9')
      .send({
        service_slug: 'credit-score-rating',
        request_data: { mobile: '1', national_code: '0012345679' },
      })
      .expect(422)
    expect(res.headers).toMatchObject({ 'content-language': 'fa' })
    expect(res.body.errors).toEqual([
      {
        field: 'mobile',
        code: 'mobile_invalid',
        message: '\u2068mobile\u2069 باید ۱۱ رقم باشد و با ۰۹ شروع شود',
      },
    ])
  })
})

test('a rate-limited Persian page has its seconds in Persian digits', async () => {
  const limited = await useServer(testRedis, { settings: { SUBMITS_PER_MINUTE: '1' } })
  const eager = openBrowser(limited.address, { 'X-Forwarded-For': '192.0.2.71', 'Accept-Language': 'fa' })
  await eager.refused(FORM).expect(422)
  const $ = load((await eager.refused(FORM).expect(429)).text)
  expect(textOf($, 'main')).toMatch(
    /در مدت کوتاهی درخواست‌های زیادی فرستاده شد .*لطفاً پس از (?:[۰-۹]+ ثانیه|۱ دقیقه) دوباره تلاش کنید/,
  )
  await limited.stop()
})

// Last in this file, because its Redis restarts empty.
test.runIf(onRealRedis)(
  'while Redis is down the error page is in Persian for a Persian browser',
  async () => {
    const hash = await given([START])
    await testRedis.stop()
    const { text } = await openBrowser(address, { 'Accept-Language': 'fa' })
      .get(at('progress', hash))
      .expect(503)
    expect(textOf(load(text), 'h1')).toBe('سامانه موقتاً در دسترس نیست')
  },
)
