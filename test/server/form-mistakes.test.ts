import { load } from 'cheerio'
import { expect, test } from 'vitest'
import { keys } from '../helpers/keys.ts'
import { useRedis } from '../helpers/redis.ts'
import { CREDIT_SCORE, useServer } from '../helpers/server.ts'
import { openBrowser, textOf } from './page-browser.ts'

const FORM = '/services/credit-score-rating'
const KEY = 'a-key-made-at-render'
const FIELDS = CREDIT_SCORE.request_data

const testRedis = await useRedis()
const redis = await testRedis.connections.connect('patient')
const { address } = await useServer(testRedis)
const browser = openBrowser(address)

/** The page of the refused form; expects that no request was created. */
async function mistaken(fields: string | object, status = 422) {
  const before = await redis.llen(keys.list)
  const { text } = await browser
    .refused(FORM, fields)
    .expect(status)
    .expect('Content-Type', /^text\/html/)
    .expect('Cache-Control', 'no-store')
  expect(await redis.llen(keys.list)).toBe(before)
  return { $: load(text), text }
}
const summaryOf = ($: ReturnType<typeof load>) =>
  $('.error-summary li')
    .toArray()
    .map((li) => [$(li).text().trim(), $(li).find('a').attr('href') ?? null])

test('an invalid form lists each error in a summary that links to its field, with the same words there', async () => {
  const { $ } = await mistaken({ _key: KEY, mobile: '0812', national_code: '0012345678' })
  expect($('title').text()).toBe('Error: Credit score · Online services')
  expect(textOf($, '.error-summary h2')).toBe('Please correct the following')
  const summary = summaryOf($)
  expect(summary).toEqual([
    ['Mobile number must have 11 digits and start with 09', '#field-mobile'],
    ['National code has a mistyped digit, please compare it with your card', '#field-national_code'],
  ])
  for (const [words, href] of summary) {
    expect(textOf($, `${href}-error`)).toBe(words)
    const id = String(href).slice(1)
    expect($(`input${href}`).attr()).toMatchObject({
      'aria-invalid': 'true',
      'aria-describedby': `${id}-error ${id}-hint`,
    })
  }
})

test('an invalid form keeps all typed values and its key', async () => {
  const { $ } = await mistaken({ _key: KEY, mobile: ' ۰۹۱۲ ', national_code: '001-234567-9' })
  expect($('#field-mobile').val()).toBe(' ۰۹۱۲ ')
  expect($('#field-national_code').val()).toBe('001-234567-9')
  expect($('#field-national_code').attr('aria-invalid')).toBeUndefined()
  expect(summaryOf($)).toHaveLength(1)
  expect($('input[name=_key]').val()).toBe(KEY)
})

test('an invalid form without a key is shown with a new key', async () => {
  const { $ } = await mistaken({ mobile: '0912' })
  expect($('input[name=_key]').val()).toMatch(/^[\w-]{21}$/)
})

test('an invalid form escapes the values it repeats', async () => {
  const script = '"><script>alert(1)</script>'
  const { $, text } = await mistaken({ _key: script, mobile: script, [script]: script })
  expect(text).not.toContain('<script>')
  expect($('#field-mobile').val()).toBe(script)
  expect($('input[name=_key]').val()).not.toBe(script)
  expect(summaryOf($)).toContainEqual([`${script} is not asked for here`, null])
})

test('an empty form reports every field as required', async () => {
  for (const fields of [{}, '', { mobile: '', national_code: ' \t' }]) {
    const { $ } = await mistaken(fields)
    expect(summaryOf($)).toEqual([
      ['Fill in “Mobile number”', '#field-mobile'],
      ['Fill in “National code”', '#field-national_code'],
    ])
  }
})

test('a form with unknown fields is refused with all of them named', async () => {
  const { $ } = await mistaken({ ...FIELDS, user_id: 7, 'mobile[$gt]': 1 })
  expect(summaryOf($)).toEqual([
    ['user_id is not asked for here', null],
    ['mobile[$gt] is not asked for here', null],
  ])
})

test('a form with a repeated field asks for one value', async () => {
  for (const times of [1, 200]) {
    const { $ } = await mistaken(new URLSearchParams(FIELDS) + '&mobile=09123456780'.repeat(times))
    expect(summaryOf($)).toEqual([['Mobile number must be one value', '#field-mobile']])
    expect($('#field-mobile').val()).toMatch(/^09123456789/)
  }
})

test('a corrected form creates its request with the same key', async () => {
  const { $ } = await mistaken({ _key: KEY, ...FIELDS, mobile: '0912' })
  const key = $('input[name=_key]').val()
  const sent = [1, 2].map(() => browser.post(FORM, { _key: key, ...FIELDS }).expect(303))
  const [first, second] = await Promise.all(sent)
  expect(first?.headers.location).toMatch(/^\/services\/credit-score-rating\/progress\/req_/)
  expect(second?.headers.location).toBe(first?.headers.location)
})

test('a form over 64 kB is refused unread with a page', async () => {
  const { $ } = await mistaken({ _key: KEY, mobile: 'x'.repeat(64 * 1024) }, 413)
  expect(textOf($, 'h1')).toBe('This is too much to send')
  expect($(`main a[href="${FORM}"]`)).toHaveLength(1)
  // Below the size limit: refused for its values.
  await mistaken({ mobile: 'x'.repeat(60_000) }, 422)
})
