/** A refused form is answered with a redirect to a page that gives the reason and can be reloaded. */
import { load } from 'cheerio'
import { describe, expect, it } from 'vitest'
import { REQUIRE_OTP, START } from '../helpers/record.ts'
import { useRedis } from '../helpers/redis.ts'
import { useServer } from '../helpers/server.ts'
import { at, openBrowser, textOf } from './page-browser.ts'

const FORM = '/services/credit-score-rating'
const TYPED = { mobile: '09129999999 ', national_code: '777' }

const testRedis = await useRedis()
const redis = await testRedis.connections.connect('patient')
const { address, given, apply } = await useServer(testRedis)

async function everythingInRedis(): Promise<string> {
  const keys = await redis.keys('*')
  const values = await Promise.all(keys.map(async (key) => key + (await redis.get(key).catch(() => ''))))
  return values.join('\n')
}

describe('a refused form', () => {
  it('a refused form redirects to a page with its errors; the address holds no typed value', async () => {
    const browser = openBrowser(address)
    await browser.open('/')
    const { headers } = await browser.post(FORM, { _key: 'a-key-of-the-form', ...TYPED }).expect(303)
    expect(headers.location).toMatch(/^\/services\/credit-score-rating\?refused=[\w-]{34}$/)
    for (let n = 0; n < 2; n++) {
      const { text } = await browser
        .get(String(headers.location))
        .expect(422)
        .expect('Cache-Control', 'no-store')
      const $ = load(text)
      expect($('#field-mobile').val()).toBe(TYPED.mobile)
      expect($('input[name=_key]').val()).toBe('a-key-of-the-form')
      expect(textOf($, '.error-summary li')).toContain('National code')
    }
  })

  it('a refused form keeps its errors and values when the language changes', async () => {
    const browser = openBrowser(address)
    const $ = load((await browser.refused(FORM, TYPED).expect(422)).text)
    const { headers } = await browser.post(FORM, TYPED)
    const query = String($('.language').attr('href'))
    expect(query).toMatch(/refused=/)
    const persian = load((await browser.get(FORM + query).expect(422)).text)
    expect(persian('html').attr('lang')).toBe('fa')
    expect(persian('#field-mobile').val()).toBe(TYPED.mobile)
    expect(textOf(persian, '.error-summary li')).toContain('کد ملی')
    expect(headers.location).toBeDefined()
  })

  it('a refused form shows its errors to a browser without cookies', async () => {
    const send = () =>
      fetch(address + FORM, {
        method: 'POST',
        body: new URLSearchParams(TYPED),
        headers: { accept: 'text/html' },
      })
    for (const answer of [await send(), await send()]) {
      expect(answer.status).toBe(422)
      expect(load(await answer.text())('#field-mobile').val()).toBe(TYPED.mobile)
    }
  })

  it('a refused form does not show its values to another session with its address', async () => {
    const [mine, other] = [openBrowser(address), openBrowser(address)]
    await mine.open('/')
    const { headers } = await mine.post(FORM, TYPED).expect(303)
    for (const stranger of [other, openBrowser(address)]) {
      const $ = await stranger.open(String(headers.location))
      expect($('#field-mobile').val()).toBe('')
      expect($('.error-summary')).toHaveLength(0)
    }
  })

  it('an unknown refusal id shows an empty form', async () => {
    const browser = openBrowser(address)
    for (const id of ['', 'x', 'a'.repeat(34), '&refused=b'])
      expect((await browser.open(`${FORM}?refused=${id}`))('.error-summary')).toHaveLength(0)
  })
})

describe('a refused code', () => {
  it('a refused code is reported after a redirect and is neither in the address nor in Redis', async () => {
    const browser = openBrowser(address)
    const hash = await given([START, REQUIRE_OTP])
    const { headers } = await browser.post(at('otp', hash), { otp: '98765' }).expect(303)
    expect(headers.location).toMatch(/\/otp\/req_[^?]+\?refused=[\w-]{34}$/)
    const { text } = await browser.get(String(headers.location)).expect(422)
    expect(textOf(load(text), '#otp-error')).toBe('The code has 6 digits, you typed 5')
    expect(await everythingInRedis()).not.toContain('98765')
  })

  it('a refused code is no longer reported once another prompt, or none, is open', async () => {
    const browser = openBrowser(address)
    const hash = await given([START, REQUIRE_OTP])
    const { headers } = await browser.post(at('otp', hash), { otp: '9' }).expect(303)
    const page = String(headers.location)
    await apply(hash, { type: 'submit_otp', otp: '483920' })
    await browser.get(page).expect(303).expect('Location', at('progress', hash))
    await apply(hash, { type: 'require_otp', attempt: 1, otp: { id: 'another', length: 6 } })
    expect((await browser.open(page))('#otp-error')).toHaveLength(0)
  })
})
