/** Who may submit, and what goes by who it was: API keys, the header of a proxy, JWTs. */
import { createHash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { io } from 'socket.io-client'
import { describe, expect, test } from 'vitest'
import { openApiKeys } from '../../server/api-keys.ts'
import type { WatchResponse } from '../../server/socket-watches.ts'
import { cleanUp } from '../helpers/clean-up.ts'
import { eventually } from '../helpers/eventually.ts'
import { keys } from '../helpers/keys.ts'
import { START } from '../helpers/record.ts'
import { quiet, useFolder, useRedis } from '../helpers/redis.ts'
import { redisContents } from '../helpers/redis-contents.ts'
import { CREDIT_SCORE, collectLog, type TestServer, useServer } from '../helpers/server.ts'
import { HTML, openBrowser, textOf } from './page-browser.ts'

const SUBMIT = '/api/local-requests'
const FORM = '/services/credit-score-rating'
const SHOP = 'key-of-the-web-shop'
const OLDER_SHOP = 'former-key-of-the-web-shop'
const REPORTS = 'key-of-the-reports'
const KEYS = { SUBMITTERS: 'keys', API_KEYS: `shop:${SHOP},shop:${OLDER_SHOP},reports:${REPORTS}` }
const HEADER = {
  SUBMITTERS: 'header',
  SUBMITTER_HEADER: 'X-Forwarded-User',
  TRUST_PROXY: 'loopback',
}

const testRedis = await useRedis()
const redis = await testRedis.connections.connect('patient')
const bearer = (token: string) => ({ Authorization: `Bearer ${token}` })
const as = (name: string) => ({ 'X-Forwarded-User': name })
const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')
const submit = (server: TestServer, headers: Record<string, string> = {}, body: object = CREDIT_SCORE) =>
  server.api.post(SUBMIT).set(headers).send(body)
const recordOf = async (hash: string) => JSON.parse((await redis.get(keys.record(hash))) ?? '{}')

const withKeys = await useServer(testRedis, { settings: { ...KEYS, OWNER_CHECK: 'all' } })
const withHeader = await useServer(testRedis, { settings: { ...HEADER, OWNER_CHECK: 'all' } })

describe('API keys', () => {
  test('a program submits with each key of a name, and the record has the name', async () => {
    for (const key of [SHOP, OLDER_SHOP]) {
      const { body } = await submit(withKeys, bearer(key)).expect(202)
      expect(await recordOf(body.hash)).toMatchObject({ user_id: 'key:shop', session_id: null })
      expect(JSON.stringify(body)).not.toContain('key:shop')
    }
  })

  test('a submit without a valid key is 401 not_signed_in, single and as a batch, and creates nothing', async () => {
    const before = await redis.keys(keys.record('*'))
    for (const headers of [{}, bearer('x'), bearer(`${SHOP}x`), bearer(sha256(SHOP)), as('shop')])
      for (const sent of [CREDIT_SCORE, { requests: [CREDIT_SCORE] }]) {
        const { body, headers: received } = await submit(withKeys, headers, sent).expect(401)
        expect(body).toMatchObject({ code: 'not_signed_in', status: 401 })
        expect(received).toMatchObject({ 'www-authenticate': 'Bearer' })
      }
    expect(await redis.keys(keys.record('*'))).toEqual(before)
  })

  test('a user in the body is an unknown field, with and without a key', async () => {
    const open = await useServer(testRedis)
    for (const field of ['user_id', 'user', 'submitter', 'session_id']) {
      const sent = { ...CREDIT_SCORE, [field]: 'key:shop' }
      await submit(open, {}, sent).expect(422)
      await submit(withKeys, bearer(REPORTS), sent).expect(422)
    }
  })

  test('a key is in Redis neither as it is nor as a digest', async () => {
    await submit(withKeys, { ...bearer(SHOP), 'Idempotency-Key': 'one' }).expect(202)
    const contents = await redisContents(redis)
    for (const secret of [SHOP, sha256(SHOP), createHash('sha256').update(SHOP).digest('base64url')])
      expect(contents).not.toContain(secret)
  })

  test('with OWNER_CHECK a request belongs to the key that submitted it, wherever it is called from', async () => {
    const { body } = await submit(withKeys, bearer(SHOP)).expect(202)
    const read = (headers: Record<string, string>) =>
      withKeys.api.get(`${SUBMIT}/${body.hash}/status`).set(headers)
    await read(bearer(OLDER_SHOP)).expect(200)
    await read(bearer(body.owner_token)).expect(200)
    await read(bearer(REPORTS)).expect(403)
    await read({}).expect(403)
    await withKeys.api.post(`${SUBMIT}/${body.hash}/cancel`).set(bearer(REPORTS)).expect(403)
    await withKeys.api.post(`${SUBMIT}/${body.hash}/cancel`).set(bearer(SHOP)).expect(200)
  })

  test('with OWNER_CHECK a socket of the key watches, and one of another key does not', async () => {
    const { body } = await submit(withKeys, bearer(SHOP)).expect(202)
    const watch = async (key: string): Promise<WatchResponse> => {
      const socket = io(withKeys.address, { transports: ['websocket'], extraHeaders: bearer(key) })
      cleanUp(() => void socket.disconnect())
      return socket.emitWithAck('request:watch', { hash: body.hash })
    }
    expect(await watch(SHOP)).toMatchObject({ ok: true })
    expect(await watch(REPORTS)).toMatchObject({ ok: false, problem: { code: 'not_owner' } })
  })

  test('a request that a key submitted stays its own once OWNER_CHECK is switched on', async () => {
    const open = await useServer(testRedis, { settings: KEYS })
    const { body } = await submit(open, bearer(SHOP)).expect(202)
    const read = (headers: Record<string, string>) =>
      withKeys.api.get(`${SUBMIT}/${body.hash}/status`).set(headers)
    await read({}).expect(403)
    await read(bearer(SHOP)).expect(200)
  })

  test('a user_id that another program wrote makes no user the owner', async () => {
    for (const user_id of [7, 'shop', 'alice']) {
      const hash = await withKeys.given([START], { user_id, session_id: null })
      await withKeys.api.get(`${SUBMIT}/${hash}/status`).expect(200)
    }
  })

  test('Idempotency-Keys are scoped to the name, whatever the address', async () => {
    const send = async (key: string, address: string) =>
      (await submit(withKeys, { ...bearer(key), 'Idempotency-Key': 'same', 'X-Forwarded-For': address })).body
        .hash
    const first = await send(SHOP, '192.0.2.1')
    expect(await send(OLDER_SHOP, '192.0.2.2')).toBe(first)
    expect(await send(REPORTS, '192.0.2.1')).not.toBe(first)
  })

  test('with "anyone" everyone submits, keys are known by name, and a wrong key is refused', async () => {
    const server = await useServer(testRedis, { settings: { ...KEYS, SUBMITTERS: 'anyone,keys' } })
    expect(await recordOf((await submit(server).expect(202)).body.hash)).toMatchObject({ user_id: null })
    const { body } = await submit(server, bearer(SHOP)).expect(202)
    expect(await recordOf(body.hash)).toMatchObject({ user_id: 'key:shop' })
    await submit(server, bearer('a-key-that-was-removed')).expect(401)
  })
})

describe('a file of API keys', () => {
  const folder = useFolder()
  let files = 0
  function useFile(content: unknown) {
    const path = join(folder, `keys-${files++}.json`)
    const write = (value: unknown) =>
      writeFileSync(path, typeof value === 'string' ? value : JSON.stringify(value))
    write(content)
    return { path, write }
  }
  const settings = (path: string) => ({ SUBMITTERS: 'keys', API_KEYS_FILE: path })

  test('its keys have limits of their own: per minute, unfinished, and of a queue', async () => {
    const { path } = useFile({
      minute: { key_sha256: sha256('key-with-2-a-minute'), submits_per_minute: 2 },
      three: { key_sha256: [sha256('key-with-3-at-once')], max_unfinished: 3 },
      share: { key_sha256: sha256('key-with-half-a-queue'), queue_share: 0.5 },
      plain: { key_sha256: sha256('key-without-limits') },
    })
    const server = await useServer(testRedis, {
      settings: { ...settings(path), MAX_UNFINISHED_PER_QUEUE: '1000' },
    })
    const limited = await useServer(testRedis, {
      settings: { ...settings(path), MAX_UNFINISHED_PER_QUEUE: '1000000', SUBMITS_PER_MINUTE: '1' },
    })
    const statuses = async (on: TestServer, key: string, count: number) => {
      const found: number[] = []
      for (let i = 0; i < count; i++) found.push((await submit(on, bearer(key))).status)
      return found
    }
    expect(await statuses(limited, 'key-with-2-a-minute', 3)).toEqual([202, 202, 429])
    expect(await statuses(limited, 'key-without-limits', 2)).toEqual([202, 429])
    expect(await statuses(server, 'key-with-3-at-once', 4)).toEqual([202, 202, 202, 429])
    const requests = Array.from({ length: 501 }, () => CREDIT_SCORE)
    const { body } = await submit(server, bearer('key-with-half-a-queue'), { requests }).expect(202)
    expect(body).toMatchObject({ accepted: 500, refused: 1 })
    expect((await submit(server, bearer('key-with-half-a-queue'))).body.code).toBe('too_many_unfinished')
    const [done] = body.requests as [{ hash: string }]
    await server.api.post(`${SUBMIT}/${done.hash}/cancel`).expect(200)
    await eventually(async () => void (await submit(server, bearer('key-with-half-a-queue')).expect(202)))
  })

  test('it is read again when it changes; a mistake in it changes nothing and is logged', async () => {
    const { log, lines } = collectLog()
    const { path, write } = useFile({ shop: { key_sha256: sha256('first-key-of-the-file') } })
    const found = openApiKeys({ access: { keyDigests: {}, keysFile: path }, log, checkEveryMs: 20 })
    cleanUp(() => found.stop())
    write({ shop: { key_sha256: [sha256('second-key-of-the-file'), sha256('first-key-of-the-file')] } })
    await eventually(() => expect(found.nameOf('second-key-of-the-file')).toBe('shop'))
    expect(found.nameOf('first-key-of-the-file')).toBe('shop')
    write('{ "shop": { "key_sha256": "secret"')
    await eventually(() => expect(lines.join('')).toContain('is no JSON'))
    expect(lines.join('')).not.toContain('secret')
    expect(found.nameOf('second-key-of-the-file')).toBe('shop')
    write({ other: { key_sha256: sha256('third-key-of-the-file') } })
    await eventually(() => expect(found.nameOf('third-key-of-the-file')).toBe('other'))
    expect(found.nameOf('second-key-of-the-file')).toBeNull()
  })

  test.each([
    ['no JSON', '{', /is no JSON/],
    ['a key instead of a digest', { shop: { key_sha256: 'a-long-and-random-key' } }, /shop\.key_sha256: /],
    ['an unknown field', { shop: { key_sha256: sha256('x'), max: 1 } }, /shop: .*max/],
    ['a share above 1', { shop: { key_sha256: sha256('x'), queue_share: 2 } }, /shop\.queue_share/],
    ['a name of API_KEYS', { reports: { key_sha256: sha256('x') } }, /reports: is in API_KEYS, too/],
  ])('a server does not start with a file that has %s, and says what is wrong', (_what, content, fault) => {
    const { path } = useFile(content)
    const open = () =>
      openApiKeys({ access: { keyDigests: { reports: [sha256('y')] }, keysFile: path }, log: quiet })
    expect(open).toThrow(fault)
    expect(open).toThrow(/API_KEYS_FILE: /)
  })
})

describe('people whom a proxy has signed in', () => {
  test('the record has the name that a trusted proxy gives', async () => {
    const { body } = await submit(withHeader, as('alice')).expect(202)
    expect(await recordOf(body.hash)).toMatchObject({ user_id: 'header:alice' })
    const { body: refused, headers } = await submit(withHeader).expect(401)
    expect(refused.code).toBe('not_signed_in')
    expect(headers).not.toHaveProperty('www-authenticate')
  })

  test('an identical request of the same person is deduplicated in every browser, one of a program never', async () => {
    const send = async (server: TestServer, headers: Record<string, string>) =>
      (await submit(server, headers).expect(202)).body.hash
    expect(await send(withHeader, as('zoe'))).toBe(await send(withHeader, as('zoe')))
    expect(await send(withHeader, as('zoe'))).not.toBe(await send(withHeader, as('yan')))
    expect(await send(withKeys, bearer(SHOP))).not.toBe(await send(withKeys, bearer(SHOP)))
  })

  test('the header of a caller who is no trusted proxy counts for nothing', async () => {
    const server = await useServer(testRedis, { settings: { ...HEADER, TRUST_PROXY: '10.0.0.0/8' } })
    await submit(server, as('alice')).expect(401)
  })

  test('the form says in each language that the visitor is not signed in, and sends nothing', async () => {
    for (const [language, text] of [
      ['en', 'Please sign in first'],
      ['fa', 'لطفاً ابتدا وارد شوید'],
    ] as const) {
      const browser = openBrowser(withHeader.address, { 'Accept-Language': language })
      expect(textOf(await browser.open(FORM), 'main')).toContain(text)
    }
    const { status, text } = await withHeader.api
      .post(FORM)
      .set('Accept', HTML)
      .type('form')
      .send(CREDIT_SCORE.request_data)
    expect([401, 303]).toContain(status)
    expect(text).not.toContain('req_')
  })

  test('the request of a user who was signed in is not shown to the user who signs in next in the same browser', async () => {
    const Cookie = withHeader.sessionCookie('session-of-the-office')
    const data = { ...CREDIT_SCORE.request_data, mobile: '09350000001' }
    const { body } = await submit(
      withHeader,
      { ...as('alice'), Cookie },
      { ...CREDIT_SCORE, request_data: data },
    ).expect(202)
    const status = (headers: Record<string, string>) =>
      withHeader.api.get(`${SUBMIT}/${body.hash}/status`).set({ Cookie, ...headers })
    await status(as('alice')).expect(200)
    await status(as('bob')).expect(403)
    await status({}).expect(403)
    const home = async (name: string) =>
      (await withHeader.api.get('/').set({ Cookie, Accept: HTML, ...as(name) })).text
    expect(await home('alice')).toContain(body.hash)
    expect(await home('bob')).not.toContain(body.hash)
    const again = async (name: string) =>
      (await withHeader.api.get(`${FORM}?again=${body.hash}`).set({ Cookie, Accept: HTML, ...as(name) })).text
    expect(await again('alice')).toContain(`value="${data.mobile}"`)
    expect(await again('bob')).not.toContain(`value="${data.mobile}"`)
  })
})

describe('callers with a JWT', async () => {
  const { publicKey, privateKey } = await generateKeyPair('ES256')
  const other = await generateKeyPair('ES256')
  const jwks = JSON.stringify({ keys: [{ ...(await exportJWK(publicKey)), kid: 'one', alg: 'ES256' }] })
  let isAway = false
  const issuer = createServer((_req, res) => {
    res.writeHead(isAway ? 500 : 200, { 'content-type': 'application/json' }).end(jwks)
  })
  await new Promise<void>((resolve) => issuer.listen(0, '127.0.0.1', resolve))
  cleanUp(() => void issuer.close())
  const settings = {
    SUBMITTERS: 'jwt',
    JWT_ISSUER: 'https://login.example.com',
    JWT_AUDIENCE: 'halfway',
    JWT_JWKS_URL: `http://127.0.0.1:${(issuer.address() as AddressInfo).port}/jwks`,
  }
  const server = await useServer(testRedis, { settings })
  const sign = (claims: object = {}, key = privateKey) =>
    new SignJWT({ iss: settings.JWT_ISSUER, aud: 'halfway', sub: '4711', exp: later(60), ...claims })
      .setProtectedHeader({ alg: 'ES256', kid: 'one' })
      .sign(key)
  const later = (seconds: number) => Math.floor(Date.now() / 1000) + seconds

  test('the record has the subject of a valid token', async () => {
    const { body } = await submit(server, bearer(await sign())).expect(202)
    expect(await recordOf(body.hash)).toMatchObject({ user_id: 'jwt:4711' })
  })

  test.each([
    ['another issuer', { iss: 'https://evil.example' }],
    ['another audience', { aud: 'another' }],
    ['a time that is over', { exp: later(-60) }],
    ['no time', { exp: undefined }],
    ['no subject', { sub: undefined }],
    ['an empty subject', { sub: '' }],
    ['a start that is later', { nbf: later(600) }],
  ])('a token with %s is refused', async (_what, claims) => {
    await submit(server, bearer(await sign(claims))).expect(401)
  })

  test('a token that is unsigned, signed with another key or changed is refused', async () => {
    const token = await sign()
    const [header, , signature] = token.split('.')
    const payload = Buffer.from(
      JSON.stringify({ iss: settings.JWT_ISSUER, aud: 'halfway', sub: 'x', exp: later(60) }),
    )
    const none = Buffer.from('{"alg":"none"}').toString('base64url')
    for (const forged of [
      await sign({}, other.privateKey),
      `${header}.${payload.toString('base64url')}.${signature}`,
      `${none}.${payload.toString('base64url')}.`,
      `${none}.${payload.toString('base64url')}.x`,
      'a.b.c',
      token.slice(0, -4),
    ])
      expect((await submit(server, bearer(forged))).status, forged).toBe(401)
  })

  test('while the keys of the issuer cannot be read, a submit is 503 and can be repeated', async () => {
    isAway = true
    const late = await useServer(testRedis, { settings })
    const { body } = await submit(late, bearer(await sign())).expect(503)
    expect(body).toMatchObject({ code: 'sign_in_unavailable', retryable: true })
    isAway = false
    await submit(late, bearer(await sign())).expect(202)
  })
})
