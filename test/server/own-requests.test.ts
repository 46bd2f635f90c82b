/** The list of a browser's requests on the home page. */
import type { CheerioAPI } from 'cheerio'
import { describe, expect, test } from 'vitest'
import { createSessionRequests, MAX_LISTED } from '../../core/store/session-requests.ts'
import { keys } from '../helpers/keys.ts'
import { aHash, PRIVATE, REQUIRE_OTP, START } from '../helpers/record.ts'
import { useRedis } from '../helpers/redis.ts'
import { CREDIT_SCORE, useServer } from '../helpers/server.ts'
import { openBrowser, textOf } from './page-browser.ts'

const testRedis = await useRedis()
const redis = await testRedis.connections.connect('patient')
const { address, api, apply, given, sessionCookie, sessionIdOf } = await useServer(testRedis)

const FORM = '/services/link-check'
const hashesOf = ($: CheerioAPI): (string | undefined)[] =>
  $('[data-request]')
    .toArray()
    .map((item) => $(item).attr('data-request'))
async function submitIn(
  browser: ReturnType<typeof openBrowser>,
  url = 'https://example.com/',
): Promise<string> {
  const $ = await browser.open(FORM)
  const key = $('[name=_key]').attr('value')
  const { headers } = await browser.post(FORM, { _key: key, url }).expect(303)
  return String(headers.location).split('/').at(-1) as string
}
async function visitor() {
  const browser = openBrowser(address)
  await browser.open('/')
  return browser
}

describe('the home page', () => {
  test('it lists the requests of its browser, the newest first, with state, progress and link', async () => {
    const browser = await visitor()
    expect((await browser.open('/'))('#own-requests').attr('hidden')).toBeDefined()
    const [first, second] = [await submitIn(browser), await submitIn(browser, 'https://example.org/')]
    await apply(first, START)
    await apply(first, { type: 'progress', attempt: 1, progress: 40, message: 'private words of a bot' })
    const $ = await browser.open('/')
    expect(hashesOf($)).toEqual([second, first])
    const item = `[data-request="${first}"]`
    expect(textOf($, item)).toMatch(/^\S.* Working on it Started at .* 40%$/)
    expect($(`${item} a`).attr('href')).toBe(`${FORM}/progress/${first}`)
    for (const text of ['example.com', 'example.org', 'private words']) expect($.html()).not.toContain(text)
    await apply(first, { type: 'complete', attempt: 1, result: { found: 'private result' } })
    const ended = await browser.open('/')
    expect(textOf(ended, item)).toMatch(/Done \S.* UTC to .* UTC$/)
    expect(ended(`${item} a`).attr('href')).toBe(`${FORM}/result/${first}`)
    expect(ended.html()).not.toContain('private result')
    expect((await browser.get('/')).headers['cache-control']).toBe('no-store')
  })

  test('it lists what waits for an answer first, and what has ended last', async () => {
    const browser = await visitor()
    const asked = await submitIn(browser)
    const running = await submitIn(browser, 'https://example.org/')
    const ended = await submitIn(browser, 'https://example.net/')
    for (const command of [START, REQUIRE_OTP]) await apply(asked, command)
    for (const command of [START, { type: 'complete', attempt: 1, result: {} } as const])
      await apply(ended, command)
    expect(hashesOf(await browser.open('/'))).toEqual([asked, running, ended])
  })

  test('it lists nothing of other browsers, and nothing without a session', async () => {
    const browser = await visitor()
    const hash = await submitIn(browser)
    for (const other of [await visitor(), openBrowser(address)])
      expect((await other.open('/')).html()).not.toContain(hash)
    const forged = await api.get('/').set('Cookie', 'halfway_session=forged.forged').expect(200)
    expect(forged.text).not.toContain('req_')
  })

  test('it never lists a request of another session, even if its own list names it', async () => {
    const other = await given([START])
    const session = 'session-0000000000009'
    await redis.zadd(keys.session(sessionIdOf(session)), Date.now(), other)
    const { text } = await api.get('/').set('Cookie', sessionCookie(session)).expect(200)
    expect(text).not.toContain(other)
    expect(text).not.toContain(PRIVATE.request)
  })

  test('it drops requests whose record is gone', async () => {
    const browser = await visitor()
    const [kept, gone] = [await submitIn(browser), await submitIn(browser, 'https://example.org/')]
    await redis.del(keys.record(gone))
    expect(hashesOf(await browser.open('/'))).toEqual([kept])
    const lists = await redis.keys(keys.session('').replace(/[\w-]{43}$/, '*'))
    for (const list of lists) expect(await redis.zscore(list, gone)).toBeNull()
    await api.post(`/api/local-requests/${kept}/cancel`).expect(200)
    await api.delete(`/api/local-requests/${kept}`).expect(204)
    expect(hashesOf(await browser.open('/'))).toEqual([])
  })

  test('it lists what was submitted over HTTP with the cookie, and nothing of callers without one', async () => {
    const session = 'session-0000000000008'
    const { body } = await api
      .post('/api/local-requests')
      .set('Cookie', sessionCookie(session))
      .send(CREDIT_SCORE)
      .expect(202)
    await api.post('/api/local-requests').send(CREDIT_SCORE).expect(202)
    const { text } = await api.get('/').set('Cookie', sessionCookie(session)).expect(200)
    expect([...text.matchAll(/data-request="([^"]+)"/g)].map(([, hash]) => hash)).toEqual([body.hash])
  })
})

describe('the list of a session', () => {
  const { add, list } = createSessionRequests({ redis })
  const anEntry = (session_id: string, i: number, minutes: number) => ({
    hash: aHash(),
    session_id,
    created_at: new Date(Date.now() + i).toISOString(),
    expires_at: new Date(Date.now() + minutes * 60_000).toISOString(),
  })

  test(`it has the newest ${MAX_LISTED} requests`, async () => {
    const entries = Array.from({ length: MAX_LISTED + 5 }, (_, i) => anEntry('many', i, 30))
    for (const entry of entries) await add(entry)
    expect(await list('many')).toEqual(
      entries
        .slice(5)
        .reverse()
        .map(({ hash }) => hash),
    )
  })

  test('it lives a day longer than the request that expires last', async () => {
    await add(anEntry('later', 0, 10_000))
    await add(anEntry('later', 1, 30))
    expect(await redis.pttl(keys.session('later'))).toBeGreaterThan((10_000 + 24 * 60) * 60_000)
  })

  test('it ignores requests without a session', async () => {
    const before = await redis.dbsize()
    await add({ ...anEntry('none', 0, 30), session_id: null })
    expect(await redis.dbsize()).toBe(before)
  })
})
