/** "Try again" after a failed or cancelled request: the filled form, for the browser that filled it. */

import { load } from 'cheerio'
import { nanoid } from 'nanoid'
import { describe, expect, test } from 'vitest'
import type { Command } from '../../core/domain/command.ts'
import { MAX_ENDED_CHECKED } from '../../server/accept-request.ts'
import { keys } from '../helpers/keys.ts'
import { aHash, START, TTL_SECONDS } from '../helpers/record.ts'
import { onRealRedis, useRedis } from '../helpers/redis.ts'
import { CREDIT_SCORE, useServer } from '../helpers/server.ts'
import { type Browser, openBrowser } from './page-browser.ts'

const FORM = '/services/credit-score-rating'
const FIELDS = CREDIT_SCORE.request_data
const EMPTY = { mobile: '', national_code: '' }

const testRedis = await useRedis()
const redis = await testRedis.connections.connect('patient')
const { address, api, apply } = await useServer(testRedis)

const FAIL: Command = { type: 'fail', error: { code: 'timed_out', message: 'x', retryable: true } }
const CANCEL: Command = { type: 'cancel', by: 'user' }
const COMPLETE: Command = { type: 'complete', attempt: 1, result: { score: 1 } }

/** A browser with a request after these commands. */
async function afterwards(...changes: Command[]): Promise<{ mine: Browser; hash: string }> {
  const mine = openBrowser(address)
  await mine.open(FORM)
  const sent = await mine.post(FORM, { ...FIELDS, mobile: '۰۹۱۲ 345 6789' }).expect(303)
  const hash = String(sent.headers.location?.split('/').pop())
  for (const command of changes) await apply(hash, command)
  return { mine, hash }
}
const linkOn = async (browser: Browser, hash: string): Promise<string> =>
  String(
    (await browser.open(`${FORM}/result/${hash}`))(
      'main .actions a[href*="/services/credit-score-rating"]:not([data-opens])',
    )
      .last()
      .attr('href'),
  )

async function valuesAt(browser: Browser, path: string): Promise<object> {
  // A browser without a session first passes the cookie check.
  const { text, headers } = await browser.get(path).redirects(2).expect(200)
  expect(headers['cache-control']).toBe('no-store')
  const $ = load(text)
  expect($('.error-summary')).toHaveLength(0)
  return Object.fromEntries(Object.keys(EMPTY).map((name) => [name, $(`input[name=${name}]`).val()]))
}

test('a form whose MAX_ENDED_CHECKED requests have ended creates a request each time it is sent again', async () => {
  const mine = openBrowser(address)
  const form = '/services/link-check'
  const key = (await mine.open(form))('input[name=_key]').val()
  const send = async () => {
    const sent = await mine.post(form, { _key: key, url: 'https://example.com' }).expect(303)
    return String(sent.headers.location?.split('/').pop())
  }
  for (let ended = 0; ended < MAX_ENDED_CHECKED; ended++) await apply(await send(), CANCEL)
  expect(await send()).not.toBe(await send())
})

describe('"Try again"', () => {
  test.each([
    ['failed', [START, FAIL]],
    ['was cancelled', [CANCEL]],
  ] as [string, Command[]][])(
    '"Try again" after a request that %s leads to the filled form, which creates a new request',
    async (_how, changes) => {
      const { mine, hash } = await afterwards(...changes)
      const link = await linkOn(mine, hash)
      expect(link).toBe(`${FORM}?again=${hash}`)
      expect(await valuesAt(mine, link)).toEqual(FIELDS)
      const key = (await mine.open(link))('input[name=_key]').val()
      const sent = await mine.post(FORM, { _key: key, ...FIELDS }).expect(303)
      expect(sent.headers.location).toMatch(/\/progress\/req_/)
      expect(sent.headers.location).not.toContain(hash)
    },
  )

  test('"Try again" keeps the values when the language changes', async () => {
    const { mine, hash } = await afterwards(CANCEL)
    const $ = await mine.open(`${FORM}?again=${hash}`)
    const persian = await mine.open(FORM + String($('.language').attr('href')))
    expect(persian('html').attr('lang')).toBe('fa')
    expect(persian('#field-mobile').val()).toBe(FIELDS.mobile)
  })

  test('a completed request offers "New request" with an empty form', async () => {
    const { mine, hash } = await afterwards(START, COMPLETE)
    expect(await linkOn(mine, hash)).toBe(FORM)
  })

  test('"Try again" in another session is an empty form with every OWNER_CHECK', async () => {
    const { hash } = await afterwards(CANCEL)
    const record = JSON.parse((await redis.get(keys.record(hash))) ?? '')
    for (const OWNER_CHECK of ['off', 'actions', 'all']) {
      const server = await useServer(testRedis, { settings: { OWNER_CHECK } })
      const others = [
        openBrowser(server.address),
        openBrowser(server.address, { Cookie: server.sessionCookie('session-of-a-stranger') }),
        openBrowser(server.address, { Cookie: server.sessionCookie(nanoid(21)) }),
        openBrowser(server.address, { Cookie: `halfway_session=${record.session_id}` }),
        openBrowser(server.address, { Authorization: `Bearer ${record.session_id}` }),
      ]
      for (const other of others) expect(await valuesAt(other, `${FORM}?again=${hash}`)).toEqual(EMPTY)
      await server.stop()
    }
  })

  test('"Try again" of a request without a session is an empty form, also for a caller without one', async () => {
    const { body } = await api.post('/api/local-requests').send(CREDIT_SCORE).expect(202)
    for (const browser of [openBrowser(address), openBrowser(address, { Cookie: 'halfway_session=' })])
      expect(await valuesAt(browser, `${FORM}?again=${body.hash}`)).toEqual(EMPTY)
  })

  test('"Try again" with another service, an unknown or an expired request is an empty form', async () => {
    const { mine, hash } = await afterwards(CANCEL)
    const $ = load((await mine.get(`/services/account-statement?again=${hash}`).expect(200)).text)
    expect($('#field-mobile').val()).toBe('')
    const expired = aHash(Date.now() - TTL_SECONDS * 1000)
    for (const again of [
      '',
      aHash(),
      expired,
      'req_short',
      '..',
      'local_requests_list',
      `${hash}&again=${hash}`,
      '%00',
    ])
      expect([again, await valuesAt(mine, `${FORM}?again=${again}`)]).toEqual([again, EMPTY])
  })

  test('"Try again" of a foreign record fills in its text values and ignores others', async () => {
    const { mine, hash } = await afterwards()
    const { session_id } = JSON.parse((await redis.get(keys.record(hash))) ?? '')
    const again = async (record: unknown): Promise<object> => {
      const foreign = `req_${'f'.repeat(16)}${Math.random().toString(36).slice(2, 10)}`
      await redis.setex(keys.record(foreign), TTL_SECONDS, JSON.stringify(record))
      return valuesAt(mine, `${FORM}?again=${foreign}`)
    }
    const record = { status: 'failed', service_slug: 'credit-score-rating', session_id }
    const request_data = { mobile: { a: 1 }, national_code: '"><script>', more: 'x' }
    expect(await again({ ...record, request_data })).toEqual({ ...EMPTY, national_code: '"><script>' })
    for (const invalid of [{ ...record, request_data: 'x' }, record, 'x', null])
      expect(await again(invalid)).toEqual(EMPTY)
  })
})

// Last in this file, because its Redis stays down.
test.runIf(onRealRedis)(
  'while Redis is down the empty form is served, and "Try again" is a 503 page that links to itself',
  async () => {
    const { mine, hash } = await afterwards(CANCEL)
    await testRedis.stop()
    await mine.get(FORM).expect(200)
    const { text } = await mine.get(`${FORM}?again=${hash}`).expect(503)
    expect(load(text)('main .button').first().attr('href')).toBe(`${FORM}?again=${hash}`)
  },
)
