/** Browsers that refuse cookies, with OWNER_CHECK, where only the submitting session may see a request. */
import { load } from 'cheerio'
import { describe, expect, it } from 'vitest'
import { keys } from '../helpers/keys.ts'
import { useRedis } from '../helpers/redis.ts'
import { CREDIT_SCORE, useServer } from '../helpers/server.ts'
import { HTML, openBrowser, textOf } from './page-browser.ts'

const FORM = '/services/credit-score-rating'
const FIELDS = CREDIT_SCORE.request_data

const testRedis = await useRedis()
const redis = await testRedis.connections.connect('patient')
const guarded = await useServer(testRedis, { settings: { OWNER_CHECK: 'actions' } })
const open = await useServer(testRedis)

/** A browser without cookies that follows redirects. */
const ask = (address: string, headers: Record<string, string>, init: RequestInit = {}, query = '') =>
  fetch(address + FORM + query, { headers: { Accept: HTML, ...headers }, ...init })
const send = (address: string) =>
  ask(address, { Origin: address }, { method: 'POST', body: new URLSearchParams(FIELDS) })

describe('with OWNER_CHECK', () => {
  it.each(['', '?lang=fa', '?refused=gone'])(
    'a browser without cookies gets an error on the empty form: query "%s"',
    async (query) => {
      const first = await ask(guarded.address, {}, { redirect: 'manual' }, query)
      expect(first.status).toBe(303)
      expect(first.headers.getSetCookie().join()).toContain('halfway_session=')
      const page = await ask(guarded.address, { Cookie: 'unrelated=1' }, {}, query)
      const $ = load(await page.text())
      const words = query === '?lang=fa' ? 'کوکی' : 'keeps no cookies'
      expect(textOf($, '.error-summary')).toContain(words)
      expect(textOf($, '.error-summary')).not.toContain('What you typed')
      expect(page.headers.get('Cache-Control')).toContain('no-cache')
    },
  )

  it('a browser with cookies gets the form at its plain address, without the mark of the cookie check', async () => {
    const browser = openBrowser(guarded.address)
    const marked = await browser.get(`${FORM}?lang=en`).expect(303)
    expect(marked.headers.location).toMatch(/\?lang=en&cookies=\d+$/)
    const clean = await browser.get(String(marked.headers.location)).expect(303)
    expect(clean.headers.location).toBe(`${FORM}?lang=en`)
    const $ = await browser.open(`${FORM}?lang=en`)
    expect($('.error-summary')).toHaveLength(0)
  })

  it('an address with an old mark repeats the cookie check', async () => {
    const browser = openBrowser(guarded.address)
    for (const mark of ['1', 'x', String(Date.now() - 11_000)]) {
      const $ = await browser.open(`${FORM}?cookies=${mark}`)
      expect($('.error-summary')).toHaveLength(0)
    }
  })

  it('a form from a browser without cookies is refused with its values kept and creates no request', async () => {
    const before = await redis.llen(keys.list)
    const answer = await send(guarded.address)
    expect(answer.status).toBe(403)
    const $ = load(await answer.text())
    expect(textOf($, '.error-summary')).toContain('keeps no cookies')
    expect($('#field-mobile').val()).toBe(FIELDS.mobile)
    expect(await redis.llen(keys.list)).toBe(before)
  })

  it('a refused form can be sent again once the browser accepts cookies', async () => {
    const browser = openBrowser(guarded.address)
    await browser.refused(FORM, FIELDS).expect(403)
    await browser.post(FORM, FIELDS).expect(303)
  })
})

it('a form needs no cookies with OWNER_CHECK=off', async () => {
  const answer = await send(open.address)
  expect(answer.url).toContain('/progress/req_')
})
