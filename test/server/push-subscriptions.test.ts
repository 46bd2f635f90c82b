/** Browsers subscribe to pushes about a request, and their service worker asks for the words. */
import { load } from 'cheerio'
import { describe, expect, inject, it } from 'vitest'
import { aHash, REQUIRE_OTP, START } from '../helpers/record.ts'
import { useRedis } from '../helpers/redis.ts'
import { redisContents } from '../helpers/redis-contents.ts'
import { collectLog, useServer } from '../helpers/server.ts'
import { at, HTML } from './page-browser.ts'

const { log, lines: logged } = collectLog()
const testRedis = await useRedis()
const redis = await testRedis.connections.connect('patient')
const { api, given, apply } = await useServer(testRedis, { assets: inject('assets'), log })
const owners = await useServer(testRedis, { settings: { OWNER_CHECK: 'actions' } })
const off = await useServer(testRedis, { settings: { PUSH: 'off' } })

const ENDPOINT = 'https://fcm.googleapis.com/fcm/send/secret-of-the-browser'
const COMPLETE = { type: 'complete', attempt: 1, result: { score: 712 } } as const
const pathOf = (hash: string, call = 'push-subscriptions') => `/api/local-requests/${hash}/${call}`
const subscribe = (hash: string, endpoint: unknown = ENDPOINT, client = api) =>
  client.post(pathOf(hash)).send({ endpoint })
const endpointsOf = (hash: string) => redis.hkeys(redis.names.push(hash))

describe('a subscription', () => {
  it('a browser subscribes once however often it calls, and unsubscribes', async () => {
    const hash = await given([START])
    for (let i = 0; i < 2; i++) expect((await subscribe(hash)).status).toBe(204)
    expect(await endpointsOf(hash)).toEqual([ENDPOINT])
    expect(await redis.zscore(redis.names.pushes, hash)).not.toBeNull()
    expect((await api.delete(pathOf(hash)).send({ endpoint: ENDPOINT })).status).toBe(204)
    expect(await endpointsOf(hash)).toEqual([])
  })

  it.each([
    'https://web.push.apple.com/QAbc',
    'https://updates.push.services.mozilla.com/wpush/v2/x',
    'https://wns2-par02p.notify.windows.com/w/?token=x',
  ])('the push service of a known browser is accepted: %s', async (endpoint) => {
    const hash = await given([START])
    expect((await subscribe(hash, endpoint)).status).toBe(204)
  })

  it.each([
    ['http://fcm.googleapis.com/x', 'url_invalid'],
    ['https://fcm.googleapis.com:8443/x', 'url_invalid'],
    ['https://fcm.googleapis.com.evil.example/x', 'url_invalid'],
    ['https://evilpush.apple.com.example/x', 'url_invalid'],
    ['https://push.apple.com@127.0.0.1/x', 'url_invalid'],
    ['https://user@fcm.googleapis.com/x', 'url_invalid'],
    ['https://127.0.0.1/x', 'url_invalid'],
    ['https://[::1]/x', 'url_invalid'],
    ['https://169.254.169.254/latest/meta-data', 'url_invalid'],
    ['https://localhost/x', 'url_invalid'],
    ['file:///etc/passwd', 'url_invalid'],
    ['no address', 'url_invalid'],
    [`${ENDPOINT}${'x'.repeat(2000)}`, 'too_long'],
    [17, 'not_text'],
    [null, 'not_text'],
  ])('%s is refused as an endpoint: %s', async (endpoint, code) => {
    const hash = await given([START])
    const { status, body } = await subscribe(hash, endpoint)
    expect([status, body.errors?.[0]?.field, body.errors?.[0]?.code]).toEqual([422, 'endpoint', code])
    expect(await endpointsOf(hash)).toEqual([])
  })

  it('a request has at most five subscriptions', async () => {
    const hash = await given([START])
    const answers = []
    for (let i = 0; i < 6; i++) answers.push((await subscribe(hash, `${ENDPOINT}${i}`)).status)
    expect(answers).toEqual([204, 204, 204, 204, 204, 422])
    expect(await endpointsOf(hash)).toHaveLength(5)
    expect((await subscribe(hash, `${ENDPOINT}0`)).status).toBe(204)
  })

  it('a request that has ended, or that does not exist, takes no subscription', async () => {
    const ended = await given([START, COMPLETE])
    expect((await subscribe(ended)).body.code).toBe('already_final')
    expect((await subscribe(aHash())).body.code).toBe('request_not_found')
  })

  it('who may cancel a request may subscribe to it', async () => {
    const hash = await owners.given([START], { session_id: 'session-of-the-owner-' })
    expect((await subscribe(hash, ENDPOINT, owners.api)).body.code).toBe('not_owner')
    const cookie = owners.sessionCookie('session-of-the-owner-')
    expect((await subscribe(hash, ENDPOINT, owners.api).set('Cookie', cookie)).status).toBe(204)
    expect((await owners.api.delete(pathOf(hash)).send({ endpoint: ENDPOINT })).body.code).toBe('not_owner')
  })

  it('a page of another site neither subscribes nor unsubscribes', async () => {
    const hash = await given([START])
    for (const call of [subscribe(hash), api.delete(pathOf(hash)).send({ endpoint: ENDPOINT })])
      expect((await call.set('Origin', 'https://evil.example')).body.code).toBe('origin_not_allowed')
  })

  it('an endpoint is in no view, no log, and in Redis only in the key of its request', async () => {
    const hash = await given([START])
    await subscribe(hash, `${ENDPOINT}-seen-nowhere`)
    const messages: string[] = []
    const subscriber = await testRedis.connections.connect('subscriber')
    subscriber.on('message', (_channel, message) => void messages.push(message))
    await subscriber.subscribe(redis.names.channel(hash))
    await apply(hash, COMPLETE)
    const { text } = await api.get(pathOf(hash, 'status'))
    const secret = 'seen-nowhere'
    expect([text, ...messages, ...logged].filter((seen) => seen.includes(secret))).toEqual([])
    await redis.del(redis.names.push(hash))
    expect(await redisContents(redis)).not.toContain(secret)
  })

  it('with PUSH=off there are no subscriptions, and pages offer none', async () => {
    const hash = await off.given([START])
    expect((await subscribe(hash, ENDPOINT, off.api)).body.code).toBe('not_found')
    const { text } = await off.api.get(at('progress', hash)).set('Accept', HTML)
    expect(load(text)('[data-live=notify]').attr('data-push-key')).toBeUndefined()
  })

  it('each server offers the same key, a point on P-256', async () => {
    const hash = await given([START])
    const keys = []
    for (const client of [api, owners.api]) {
      const { text } = await client.get(at('progress', hash)).set('Accept', HTML)
      keys.push(load(text)('[data-live=notify]').attr('data-push-key'))
    }
    expect(keys[0]).toBe(keys[1])
    expect(Buffer.from(keys[0] ?? '', 'base64url')).toHaveLength(65)
  })
})

describe('the words of a notification', () => {
  const wordsOf = async (hash: string, lang: string) =>
    (await api.get(`${pathOf(hash, 'notification')}?lang=${lang}`)).body

  it.each([
    ['a running request', [START], { news: '', body: 'Working on it' }],
    ['a question', [START, REQUIRE_OTP], { news: 'otp-1', body: 'A code is needed to go on.' }],
    ['a result', [START, COMPLETE], { news: 'completed', body: 'Your result is ready' }],
    ['a cancelled request', [{ type: 'cancel', by: 'user' }], { news: 'cancelled' }],
  ] as const)('a service worker gets the words for %s', async (_name, commands, expected) => {
    const hash = await given(commands, { service_slug: 'credit-score-rating' })
    const words = await wordsOf(hash, 'en')
    expect(words).toMatchObject({ ...expected, lang: 'en', dir: 'ltr' })
    expect(words.title).toContain(' · ')
    expect((await api.get(words.url).set('Accept', HTML)).status).toBe(200)
  })

  it('the words are in the language of the subscription and hold nothing of the result', async () => {
    const hash = await given([START, COMPLETE], { service_slug: 'credit-score-rating' })
    const answer = await api.get(`${pathOf(hash, 'notification')}?lang=fa`).set('Accept-Language', 'en')
    expect(answer.body).toMatchObject({ body: 'نتیجهٔ شما آماده است', lang: 'fa', dir: 'rtl' })
    expect(answer.text).not.toContain('712')
    expect(answer.headers['cache-control']).toBe('no-store')
  })
})

describe('the installed site', () => {
  it('the manifest has what browsers need to install the site, and its icons exist', async () => {
    const { body, headers } = await api.get('/manifest.webmanifest')
    expect(headers['content-type']).toMatch(/^application\/manifest\+json/)
    expect(body).toMatchObject({ name: 'Online services', start_url: '/', display: 'standalone' })
    const sizes = []
    for (const { src, type, sizes: size, purpose = 'any' } of body.icons) {
      const icon = await api.get(src).responseType('blob')
      expect([icon.status, icon.headers['content-type']]).toEqual([200, type])
      const png = icon.body as Buffer
      if (type === 'image/png') expect(`${png.readUInt32BE(16)}x${png.readUInt32BE(20)}`).toBe(size)
      sizes.push(`${size} ${purpose}`)
    }
    expect(sizes).toEqual(['any any', '192x192 any', '512x512 any', '512x512 maskable'])
  })

  it('each page names the manifest and a colour for light and dark', async () => {
    for (const path of ['/', '/services/credit-score-rating', '/no-such-page']) {
      const $ = load((await api.get(path).set('Accept', HTML)).text)
      expect($('link[rel=manifest]').attr('href')).toBe('/manifest.webmanifest')
      expect($('meta[name=theme-color]').length).toBe(2)
    }
  })

  it('the service worker is served for the whole site and checked for a new one each time', async () => {
    const { status, headers, text } = await api.get('/service-worker.js')
    expect(status).toBe(200)
    expect(headers['content-type']).toMatch(/^text\/javascript/)
    expect(headers['cache-control']).toBe('no-cache')
    expect(text).not.toContain('sourceMappingURL')
  })
})
