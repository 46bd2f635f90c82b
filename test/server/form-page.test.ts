import { type CheerioAPI, load } from 'cheerio'
import { describe, expect, test } from 'vitest'
import type { Command } from '../../core/domain/command.ts'
import type { RequestRecord } from '../../core/domain/record.ts'
import { keys } from '../helpers/keys.ts'
import { START } from '../helpers/record.ts'
import { useRedis } from '../helpers/redis.ts'
import { CREDIT_SCORE, useServer } from '../helpers/server.ts'
import { catalog } from '../helpers/services.ts'
import { type Browser, openBrowser, textOf } from './page-browser.ts'

const FORM = '/services/credit-score-rating'
const FIELDS = CREDIT_SCORE.request_data

const testRedis = await useRedis()
const redis = await testRedis.connections.connect('patient')
const { address, apply } = await useServer(testRedis)

const keyOn = ($: CheerioAPI): string => String($('input[name=_key]').val())
const hashIn = (location: string | undefined): string =>
  /^\/services\/credit-score-rating\/(?:progress|result)\/(req_[\w-]{29})$/.exec(location ?? '')?.[1] ??
  `no request in ${location}`
const recordOf = async (hash: string): Promise<RequestRecord> =>
  JSON.parse((await redis.get(keys.record(hash))) ?? 'null')
const counts = async () => ({
  records: (await redis.keys(keys.record('req_*'))).length,
  listed: await redis.llen(keys.list),
  jobs: await redis.zcard('halfway:inquiries:prioritized'),
})
/** The number of requests that `work` creates: each has a record, a list entry and a job. */
async function requestsMadeBy(work: () => Promise<unknown>): Promise<number> {
  const before = await counts()
  await work()
  const after = await counts()
  const made = after.records - before.records
  expect(after).toEqual({
    records: before.records + made,
    listed: before.listed + made,
    jobs: before.jobs + made,
  })
  return made
}
/** A browser at the form; `send` submits it and returns the request it is redirected to. */
async function atForm(): Promise<{
  browser: Browser
  key: string
  send: (fields?: object) => Promise<string>
}> {
  const browser = openBrowser(address)
  const key = keyOn(await browser.open(FORM))
  return {
    browser,
    key,
    send: async (fields = FIELDS) => {
      const res = await browser.post(FORM, { _key: key, ...fields }).expect(303)
      return hashIn(res.headers.location)
    },
  }
}

describe('the form', () => {
  test('the start page links to the form of every service', async () => {
    const browser = openBrowser(address)
    const $ = await browser.open('/')
    const links = $('main .card a')
      .toArray()
      .map((a) => String($(a).attr('href')))
    expect(links).toEqual(catalog.all().map(({ slug }) => `/services/${slug}`))
    for (const link of links) {
      const form = await browser.open(link)
      expect(form('form').attr()).toMatchObject({ method: 'post', action: link })
    }
  })

  test('a form has empty fields and states duration, code and retention beforehand', async () => {
    const $ = await openBrowser(address).open(FORM)
    expect(textOf($, 'h1')).toBe('Credit score')
    for (const name of Object.keys(FIELDS)) expect($(`input[name=${name}]`).attr('value')).toBe('')
    expect(textOf($, '.notes')).toMatch(/usually takes about a minute.*asked for a code.*kept for 30 minutes/)
    expect($('.error-summary, [aria-invalid]')).toHaveLength(0)
  })

  test('each form has a new key and may be cached by the browser for "Back", not by shared caches', async () => {
    const browser = openBrowser(address)
    const answers = [await browser.get(FORM).expect(200), await browser.get(FORM).expect(200)]
    expect(new Set(answers.map((res) => keyOn(load(res.text)))).size).toBe(2)
    for (const { headers } of answers) expect(headers['cache-control']).toBe('private, no-cache')
  })

  test('the form of an unknown service is a 404 page', async () => {
    const browser = openBrowser(address)
    for (const slug of ['none', '__proto__', '..%2fcredit-score-rating', '%3Cscript%3E']) {
      for (const call of [browser.get(`/services/${slug}`), browser.post(`/services/${slug}`, FIELDS)]) {
        const res = await call.expect(404).expect('Content-Type', /^text\/html/)
        const $ = load(res.text)
        expect(textOf($, 'h1')).toBe('There is no such service')
        expect($('main a[href="/"]')).toHaveLength(1)
        expect($('main script')).toHaveLength(0)
      }
    }
  })
})

describe('a submitted form', () => {
  test('a submitted form creates a request of the session and redirects to its progress page', async () => {
    const { browser, key, send } = await atForm()
    let hash = ''
    expect(
      await requestsMadeBy(async () => {
        hash = await send()
      }),
    ).toBe(1)
    const record = await recordOf(hash)
    expect(record).toMatchObject({
      service_slug: 'credit-score-rating',
      status: 'pending',
      request_data: FIELDS,
      session_id: expect.stringMatching(/^[\w-]{43}$/),
    })
    expect(JSON.stringify(record)).not.toContain(key)
    expect(textOf(await browser.open(`${FORM}/progress/${hash}`), 'h1')).toBe('In the queue')
  })

  test('a submitted form accepts Persian and Arabic digits', async () => {
    for (const fields of [
      { mobile: '۰۹۱۲۳۴۵۶۷۸۹', national_code: '۰۰۱۲۳۴۵۶۷۹' },
      { mobile: '٠٩١٢٣٤٥٦٧٨٩', national_code: '٠٠١٢٣٤٥٦٧٩' },
      { mobile: '+98 912 345-6789', national_code: '\u200e001-234567-9\u200f' },
    ]) {
      const { send } = await atForm()
      expect((await recordOf(await send(fields))).request_data).toEqual(FIELDS)
    }
  })

  test('a form submitted twice creates one request and redirects to it both times', async () => {
    const { send } = await atForm()
    const made = await requestsMadeBy(async () => expect(await send()).toBe(await send()))
    expect(made).toBe(1)
  })

  test('a form submitted 20 times at once creates one request and redirects to it every time', async () => {
    const { send } = await atForm()
    const made = await requestsMadeBy(async () => {
      const hashes = await Promise.all(Array.from({ length: 20 }, () => send()))
      expect(new Set(hashes).size).toBe(1)
    })
    expect(made).toBe(1)
  })

  test('a corrected form creates another request, and the first values again lead to the first one', async () => {
    const { send } = await atForm()
    const made = await requestsMadeBy(async () => {
      const first = await send()
      const corrected = await send({ ...FIELDS, mobile: '09123456780' })
      expect(corrected).not.toBe(first)
      expect((await recordOf(corrected)).request_data).toMatchObject({ mobile: '09123456780' })
      expect(await send()).toBe(first)
    })
    expect(made).toBe(2)
  })

  test('a newly opened form with the same values leads to the running request', async () => {
    const { browser, send } = await atForm()
    const first = await send()
    const newKey = keyOn(await browser.open(FORM))
    const second = await browser.post(FORM, { _key: newKey, ...FIELDS }).expect(303)
    expect(hashIn(second.headers.location)).toBe(first)
  })

  test('a form with the same key from another session creates its own request', async () => {
    const { key, send } = await atForm()
    const first = await send()
    const other = openBrowser(address)
    await other.open(FORM)
    const second = await other.post(FORM, { _key: key, ...FIELDS }).expect(303)
    expect(hashIn(second.headers.location)).not.toBe(first)
  })

  test('a form without a valid key creates a request each time', async () => {
    const browser = openBrowser(address)
    const fields = new URLSearchParams(FIELDS).toString()
    for (const keyPart of [
      '',
      '&_key=',
      '&_key=short',
      `&_key=${'x'.repeat(65)}`,
      '&_key=0123456789&_key=9876543210',
    ]) {
      const made = await requestsMadeBy(async () => {
        for (let n = 0; n < 2; n++) await browser.post(FORM, fields + keyPart).expect(303)
      })
      expect([keyPart, made]).toEqual([keyPart, 2])
    }
  })

  test("a form submitted again redirects to the page of its request's current state", async () => {
    const { browser, key, send } = await atForm()
    const hash = await send()
    const again = () => browser.post(FORM, { _key: key, ...FIELDS }).expect(303)
    await apply(hash, START)
    expect((await again()).headers.location).toBe(`${FORM}/progress/${hash}`)
    await apply(hash, { type: 'complete', attempt: 1, result: { score: 712 } })
    expect((await again()).headers.location).toBe(`${FORM}/result/${hash}`)
  })
})

describe('a form sent again after the end of its request', () => {
  const error = { code: 'timed_out', message: 'too late', retryable: true }
  const change = (command: Command) => (hash: string) => apply(hash, command)
  const ends: [string, (hash: string) => Promise<unknown>][] = [
    ['was cancelled', change({ type: 'cancel', by: 'user' })],
    ['failed', change({ type: 'fail', error })],
    // Expiry deletes the record.
    ['expired', (hash) => redis.del(keys.record(hash))],
  ]
  test.each(ends)('20 submits of one form after its request %s create one new request', async (_how, end) => {
    const { send } = await atForm()
    const first = await send()
    await end(first)
    const before = await counts()
    const hashes = await Promise.all(Array.from({ length: 20 }, () => send()))
    const [second] = hashes
    expect(new Set(hashes)).toEqual(new Set([second]))
    expect(second).not.toBe(first)
    expect((await counts()).jobs).toBe(before.jobs + 1)
    // The same after the new request ends.
    await end(second as string)
    const third = await send()
    expect([first, second]).not.toContain(third)
    expect(await send()).toBe(third)
  })
})
