/** Typing a code on another device, by a link that opens only its field. */
import { type CheerioAPI, load } from 'cheerio'
import { describe, expect, test } from 'vitest'
import type { Command } from '../../core/domain/command.ts'
import { keys } from '../helpers/keys.ts'
import { PRIVATE, REQUIRE_OTP, START } from '../helpers/record.ts'
import { useRedis } from '../helpers/redis.ts'
import { redisContents } from '../helpers/redis-contents.ts'
import { useServer } from '../helpers/server.ts'
import { at, openBrowser, textOf } from './page-browser.ts'

const testRedis = await useRedis()
const redis = await testRedis.connections.connect('patient')
const server = await useServer(testRedis)
const { address, api, given, apply } = server
const published = await useServer(testRedis, {
  settings: { PUBLIC_URL: 'https://halfway.example.com', ALLOWED_HOSTS: '*' },
})
const browser = openBrowser(address)

const ask = (id: string): Command => ({
  type: 'require_otp',
  attempt: 1,
  otp: { id, length: 6, sent_to: '0912***4567', message: 'a-private-message' },
})
const pathOf = ($: CheerioAPI): string => new URL(String($('#device-link').attr('href'))).pathname

/** Asks for the link as the first device does. Resolves with its page. */
async function askFor(hash: string, from = browser): Promise<CheerioAPI> {
  const { headers } = await from.post(at('device', hash)).expect(303)
  return from.open(String(headers.location))
}
async function aLink(): Promise<{ hash: string; path: string }> {
  const hash = await given([START, ask('otp-1')])
  return { hash, path: pathOf(await askFor(hash)) }
}
const phone = () => openBrowser(address)

test('of links that are made at the same time one is good', async () => {
  const hash = await given([START, ask('otp-1')])
  for (let round = 0; round < 3; round++) {
    const pages = await Promise.all(Array.from({ length: 8 }, () => api.post(at('device', hash)).expect(303)))
    const tokens = pages.map(({ headers }) =>
      new URL(String(headers.location), address).searchParams.get('device'),
    )
    expect(new Set(tokens).size).toBe(8)
    const states = await Promise.all(tokens.map(async (token) => (await api.get(`/c/${token}`)).status))
    expect(states.filter((status) => status === 200)).toHaveLength(1)
  }
})

describe('the code page', () => {
  test('it offers the link on demand, with a QR code that is drawn in the page', async () => {
    const hash = await given([START, REQUIRE_OTP])
    const offered = await browser.open(at('progress', hash))
    expect(offered('form.device').attr()).toMatchObject({ method: 'post', action: at('device', hash) })
    expect(offered('.qr')).toHaveLength(0)
    const $ = await askFor(hash)
    expect($('details.device').attr('open')).toBeDefined()
    expect($('.qr path').attr('d')).toMatch(/^(?:M\d+ \d+h(\d+)v1h-\1z)+$/)
    expect($.html('.qr')).not.toContain('style=')
    expect(pathOf($)).toMatch(/^\/c\/code_[\w-]{32}$/)
    expect($('#otp')).toHaveLength(1)
  })

  test('it says which address only this computer can open, and uses PUBLIC_URL and trusted proxies', async () => {
    const hash = await given([START, REQUIRE_OTP])
    expect(textOf(await askFor(hash), '.device')).toContain('This link only opens on this computer.')
    const proxied = openBrowser(address, {
      'X-Forwarded-Host': 'a.example',
      'X-Forwarded-Proto': 'https',
      'Sec-Fetch-Site': 'same-origin',
    })
    const $ = await askFor(hash, proxied)
    expect($('#device-link').attr('href')).toMatch(/^https:\/\/a\.example\/c\//)
    expect(textOf($, '.device')).not.toContain('your own computer')
    const other = await askFor(await given([START, REQUIRE_OTP]), openBrowser(published.address))
    expect(other('#device-link').attr('href')).toMatch(/^https:\/\/halfway\.example\.com\/c\//)
  })

  test('it offers no link for questions of other kinds, and none to who may not act', async () => {
    const choice = { type: 'require_otp', attempt: 1, otp: { id: 'q', kind: 'text' } } as const
    const hash = await given([START, choice])
    expect((await browser.open(at('progress', hash)))('.device')).toHaveLength(0)
    await browser.post(at('device', hash)).expect(303).expect('Location', at('progress', hash))
    const owned = await useServer(testRedis, { settings: { OWNER_CHECK: 'actions' } })
    const other = openBrowser(owned.address)
    const foreign = await owned.given([START, REQUIRE_OTP])
    expect((await other.open(at('progress', foreign)))('.device')).toHaveLength(0)
    await other.post(at('device', foreign)).expect(403)
  })
})

describe('a link to a code', () => {
  test('it opens only the field of the code: nothing else of the request, and not its hash', async () => {
    const { hash, path } = await aLink()
    const { text, headers } = await phone().get(path).expect(200)
    const $ = load(text)
    expect($('#otp').attr()).toMatchObject({ autofocus: '', autocomplete: 'one-time-code' })
    expect($('main form').attr()).toMatchObject({ method: 'post', action: path })
    for (const secret of [hash, PRIVATE.request, 'a-private-message', '0912***4567'])
      expect(text).not.toContain(secret)
    expect(headers).toMatchObject({ 'cache-control': 'no-store', 'x-robots-tag': 'noindex, nofollow' })
  })

  test('its first use hands over the code and ends it; looking at it does not', async () => {
    const { hash, path } = await aLink()
    for (let preview = 0; preview < 3; preview++) await phone().get(path).expect(200)
    await phone().head(path).expect(200)
    const mine = phone()
    await mine.post(path, { otp: '۴۸۳ ۹۲۰' }).expect(303).expect('Location', '/c/sent')
    expect(textOf(await mine.open('/c/sent'), 'h1')).toBe('Thank you')
    expect(await redis.get(keys.otp(hash))).toBe('483920')
    for (const call of [mine.get(path), mine.post(path, { otp: '111111' })]) {
      const { text } = await call.expect(410)
      expect(textOf(load(text), 'h1')).toBe('This link is over')
    }
    expect(await redis.get(keys.otp(hash))).toBe('483920')
    // It stays over when the code was wrong and the same question is open again.
    await apply(hash, { type: 'reject_otp', attempt: 1 })
    await mine.get(path).expect(410)
  })

  test('a code of a wrong form costs no try and does not end it', async () => {
    const { hash, path } = await aLink()
    const mine = phone()
    await mine.open(path)
    const { text } = await mine.refused(path, { otp: '12' }).expect(422)
    expect(textOf(load(text), '#otp-error')).toBe('The code has 6 digits, you typed 2')
    expect(text).not.toContain(hash)
    await mine.post(path, { otp: '483920' }).expect(303)
  })

  test('it is over once the question is answered, replaced or gone, and when another link is made', async () => {
    const answered = await aLink()
    await api.post(`/api/local-requests/${answered.hash}/otp`).send({ otp: '483920' }).expect(202)
    const replaced = await aLink()
    await apply(replaced.hash, ask('otp-2'))
    const ended = await aLink()
    await api.post(`/api/local-requests/${ended.hash}/cancel`).expect(200)
    const older = await aLink()
    const newer = pathOf(await askFor(older.hash))
    for (const { path } of [answered, replaced, ended, older]) {
      await phone().get(path).expect(410)
      await phone().post(path, { otp: '483920' }).expect(410)
    }
    await phone().get(newer).expect(200)
    expect(await redis.exists(keys.otp(replaced.hash))).toBe(0)
  })

  test('it expires with its code', async () => {
    const { hash, path } = await aLink()
    const { otp_data } = JSON.parse((await redis.get(keys.record(hash))) ?? '')
    const key = keys.codeLink(path.slice('/c/'.length))
    expect(await redis.pexpiretime(key)).toBe(Date.parse(otp_data.expires_at))
  })

  test('it gives no other access: 403 for status, result and cancel, whatever OWNER_CHECK is', async () => {
    const { hash, path } = await aLink()
    const token = path.slice('/c/'.length)
    for (const what of ['status', 'result', 'events'])
      for (const start of ['/c', '/api/local-requests'])
        await api.get(`${start}/${token}/${what}`).expect(403)
    for (const what of ['cancel', 'otp', 'resend-otp', 'keep'])
      await api.post(`/api/local-requests/${token}/${what}`).send({ otp: '483920' }).expect(403)
    await api.delete(`/api/local-requests/${token}`).expect(403)
    for (const page of ['progress', 'result', 'otp', 'delete']) await phone().get(at(page, token)).expect(403)
    const all = await useServer(testRedis, { settings: { OWNER_CHECK: 'all' } })
    const bearer = { Authorization: `Bearer ${token}` }
    await all.api.get(`/api/local-requests/${hash}/status`).set(bearer).expect(403)
    await all.api.post(`/api/local-requests/${hash}/cancel`).set(bearer).expect(403)
    await phone().get(path).expect(200)
  })

  test('any other browser may type the code where only the submitter may act', async () => {
    const owned = await useServer(testRedis, { settings: { OWNER_CHECK: 'all' } })
    const first = openBrowser(owned.address, { Cookie: owned.sessionCookie('session-0000000000001') })
    const hash = await owned.given([START, REQUIRE_OTP], { session_id: 'session-0000000000001' })
    const path = pathOf(await askFor(hash, first))
    await openBrowser(owned.address).get(at('progress', hash)).expect(403)
    await openBrowser(owned.address).post(path, { otp: '483920' }).expect(303)
    expect(await redis.get(keys.otp(hash))).toBe('483920')
  })

  test('Redis holds only a digest of it', async () => {
    const { path } = await aLink()
    expect(await redisContents(redis)).not.toContain(path.slice('/c/'.length))
  })

  test('an address that is no link does not exist, and one that was guessed is over', async () => {
    await phone().get('/c/abc').expect(404)
    await phone()
      .get(`/c/code_${'a'.repeat(32)}`)
      .expect(410)
  })

  test('its codes count for the limit of actions', async () => {
    const limited = await useServer(testRedis, { settings: { ACTIONS_PER_MINUTE: '2' } })
    const { path } = await aLink()
    const mine = openBrowser(limited.address, { 'X-Forwarded-For': '192.0.2.77' })
    for (let i = 0; i < 2; i++) await mine.post(path, { otp: '1' }).expect(303)
    const { text } = await mine.refused(path, { otp: '483920' }).expect(429)
    expect(textOf(load(text), '#otp-error')).toContain('Too many requests')
  })
})
