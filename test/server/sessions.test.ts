/** Sessions signed by this installation, and forged ones. */
import { createHash, randomUUID } from 'node:crypto'
import { io } from 'socket.io-client'
import { describe, expect, it } from 'vitest'
import { openInstallationSecret } from '../../core/redis/installation-secret.ts'
import { createSessionCookies, type SessionCookie } from '../../server/sessions.ts'
import { cleanUp } from '../helpers/clean-up.ts'
import { keys } from '../helpers/keys.ts'
import { aHash, START } from '../helpers/record.ts'
import { useRedis } from '../helpers/redis.ts'
import { redisContents } from '../helpers/redis-contents.ts'
import { CREDIT_SCORE, useServer } from '../helpers/server.ts'

const SUBMIT = '/api/local-requests'

const testRedis = await useRedis()
const redis = await testRedis.connections.connect('patient')
const { api, sessionIdOf, given, sessionCookie } = await useServer(testRedis)
const secret = await openInstallationSecret(redis)
cleanUp(() => secret.stop())
const second = await useServer(testRedis)

const submit = (headers: Record<string, string>, to = api) => to.post(SUBMIT).set(headers).send(CREDIT_SCORE)
const sessionIn = async (hash: string): Promise<string | null> =>
  JSON.parse((await redis.get(keys.record(hash))) ?? '{}').session_id ?? null
const newCookie = async (headers: Record<string, string> = {}): Promise<string> =>
  String((await api.get('/').set(headers)).headers['set-cookie']?.[0]).split(';')[0] as string
const from = (address: string) => ({ 'X-Forwarded-For': address })

describe('a session', () => {
  it('no part of a session cookie is in Redis: the record has a keyed digest of its id', async () => {
    const cookie = await newCookie()
    const [id = '', time = '', signature = ''] = cookie.split('=')[1]?.split('.') ?? []
    const { body } = await submit({ Cookie: cookie, 'Idempotency-Key': randomUUID() }).expect(202)
    const sessionId = await sessionIn(body.hash)
    expect(sessionId).toBe(sessionIdOf(id))
    const contents = await redisContents(redis)
    expect(contents).toContain(sessionId)
    for (const part of [id, signature, createHash('sha256').update(id).digest('base64url')])
      expect(contents).not.toContain(part)
    expect(Date.now() - Number.parseInt(time, 36)).toBeLessThan(60_000)
  })

  it('neither the address of a caller nor a digest of it that needs no key is in Redis', async () => {
    const address = '203.0.113.77'
    await submit({ ...from(address), 'Idempotency-Key': randomUUID() }).expect(202)
    const contents = await redisContents(redis)
    expect(contents).not.toContain(address)
    for (const text of [address, `address:${address}`])
      for (const encoding of ['base64url', 'hex'] as const)
        expect(contents).not.toContain(createHash('sha256').update(text).digest(encoding).slice(0, 12))
  })

  it('a session is valid on every server of the installation', async () => {
    const cookie = await newCookie()
    const { body } = await submit({ Cookie: cookie }, second.api).expect(202)
    expect(await sessionIn(body.hash)).toHaveLength(43)
  })

  it('a session cookie with an invalid signature is ignored', async () => {
    const [id = '', time = '', signature = ''] = (await newCookie()).split('=')[1]?.split('.') ?? []
    const [, , otherSignature] = (await newCookie()).split('.')
    for (const value of [
      id,
      `${id}.`,
      `${id}.${time}.`,
      `${id}.${signature}`,
      `${id}.${time}.${otherSignature}`,
      `${id}.${(Date.now() + 1000).toString(36)}.${signature}`,
      `${'a'.repeat(21)}.${time}.${signature}`,
      `${id}.${time}.${signature}x`,
    ]) {
      const { body } = await submit({ Cookie: `halfway_session=${value}` }).expect(202)
      expect(await sessionIn(body.hash), value).toBeNull()
    }
  })

  it('a valid session cookie is found behind other cookies of its name', async () => {
    const cookie = await newCookie()
    const { body } = await submit({ Cookie: `halfway_session=${'a'.repeat(21)}; ${cookie}` }).expect(202)
    expect(await sessionIn(body.hash)).not.toBeNull()
  })

  it('an Idempotency-Key with a forged session cookie is scoped to the address', async () => {
    const send = (id: string) =>
      submit({ Cookie: `halfway_session=${id.repeat(21)}`, 'Idempotency-Key': 'made-up' }).expect(202)
    expect((await send('a')).body.hash).toBe((await send('b')).body.hash)
  })
})

describe('the life of a session cookie', () => {
  const DAY = 24 * 3_600_000
  let time = Date.now()
  const cookies = createSessionCookies(secret, { now: () => time })
  const text = ({ name, value }: SessionCookie) => `${name}=${value}`
  const later = (ms: number) => {
    time += ms
  }

  it('a cookie older than a day is replaced by a newer one of the same session', () => {
    const { sessionId, cookie } = cookies.start(false)
    later(DAY - 1000)
    expect(cookies.renew(text(cookie), false)).toBeNull()
    later(2000)
    const renewed = cookies.renew(text(cookie), false) as SessionCookie
    expect(renewed.value).not.toBe(cookie.value)
    expect(cookies.read(text(renewed))).toBe(sessionId)
    expect(cookies.renew(text(renewed), false)).toBeNull()
  })

  it('a cookie that was not renewed for 30 days counts for nothing', () => {
    const { cookie } = cookies.start(false)
    later(30 * DAY - 1000)
    expect(cookies.read(text(cookie))).not.toBeNull()
    later(2000)
    expect(cookies.read(text(cookie))).toBeNull()
    expect(cookies.renew(text(cookie), false)).toBeNull()
  })

  it('over HTTPS the name has the prefix __Host-, and a cookie without it counts for nothing', () => {
    const [tossed, own] = [cookies.start(false), cookies.start(true)]
    expect(own.cookie).toMatchObject({ name: '__Host-halfway_session', secure: true })
    expect(cookies.read(text(own.cookie), true)).toBe(own.sessionId)
    expect(cookies.read(text(tossed.cookie), true)).toBeNull()
    later(2 * DAY)
    expect(cookies.renew(text(tossed.cookie), true)).toBeNull()
    expect(cookies.renew(text(own.cookie), true)?.name).toBe('__Host-halfway_session')
  })

  it('a session that another site of the domain has set over HTTPS is replaced, and cannot submit or read', async () => {
    const server = await useServer(testRedis, { settings: { OWNER_CHECK: 'all' } })
    const Cookie = await newCookie()
    const https = { Cookie, 'X-Forwarded-Proto': 'https' }
    const { headers } = await server.api.get('/').set(https)
    expect(headers['set-cookie']?.[0]).toMatch(/^__Host-halfway_session=/)
    expect(headers['set-cookie']?.[0]).not.toContain(Cookie.split(/[=.]/)[1])
    const { body } = await submit(https, server.api).expect(202)
    expect(await sessionIn(body.hash)).toBeNull()

    const own = await submit({ Cookie }, server.api).expect(202)
    const read = (headers: Record<string, string>) =>
      server.api.get(`${SUBMIT}/${own.body.hash}/status`).set(headers)
    await read({ Cookie }).expect(200)
    await read(https).expect(403)
    for (const [headers, ok] of [
      [{ Cookie }, true],
      [https, false],
    ] as const) {
      const socket = io(server.address, { transports: ['websocket'], forceNew: true, extraHeaders: headers })
      cleanUp(() => void socket.disconnect())
      expect(await socket.emitWithAck('request:watch', { hash: own.body.hash })).toMatchObject({ ok })
    }
  })

  it('a cookie with the prefix __Host- wins over one without, wherever it stands', () => {
    const [tossed, own] = [cookies.start(false), cookies.start(true)]
    for (const both of [
      [tossed, own],
      [own, tossed],
    ])
      expect(cookies.read(both.map(({ cookie }) => text(cookie)).join('; '))).toBe(own.sessionId)
  })

  it('with a PUBLIC_URL of https every cookie has the prefix', async () => {
    const server = await useServer(testRedis, { settings: { PUBLIC_URL: 'https://halfway.example.com' } })
    const { headers } = await server.api.get('/').set('Host', 'halfway.example.com')
    expect(headers['set-cookie']?.[0]).toMatch(/^__Host-halfway_session=.*; Secure/)
  })
})

describe('sessions of the version before', () => {
  const id = 'session-of-before----'
  const cookie = `halfway_session=${id}.${secret.digest('session', id)}`

  it('its cookie is the same session as a new one, which replaces it', async () => {
    const { body } = await submit({ Cookie: cookie }).expect(202)
    expect(await sessionIn(body.hash)).toBe(sessionIdOf(id))
    const { headers } = await api.get('/').set('Cookie', cookie)
    const renewed = String(headers['set-cookie']?.[0]).split(';')[0] as string
    expect(renewed).toMatch(new RegExp(`^halfway_session=${id}\\.\\w{8}\\.`))
    expect((await api.get('/').set('Cookie', renewed)).headers).not.toHaveProperty('set-cookie')
  })

  it('over HTTPS its cookie, which has no prefix, is replaced by one with it', async () => {
    const { headers } = await api.get('/').set({ Cookie: cookie, 'X-Forwarded-Proto': 'https' })
    expect(headers['set-cookie']?.[0]).toMatch(new RegExp(`^__Host-halfway_session=${id}\\.\\w{8}\\.`))
  })

  it('its records, which have the plain id, belong to the session', async () => {
    const server = await useServer(testRedis, { settings: { OWNER_CHECK: 'all' } })
    const hash = await given([START], { hash: aHash(), session_id: id })
    const read = (cookie: string) => server.api.get(`${SUBMIT}/${hash}/status`).set('Cookie', cookie)
    await read(sessionCookie(id)).expect(200)
    await read(cookie).expect(200)
    await read(sessionCookie('session-of-a-stranger')).expect(403)
  })
})

describe('fair scheduling against many submitters of one network', () => {
  const together = (one: (i: number) => PromiseLike<unknown>) =>
    Promise.all(Array.from({ length: 58 }, (_, i) => one(i)))
  /** The queue position of another address after this one has sent 58 requests, each in another session. */
  async function placeBehind(address: string, cookieOf: (i: number) => Promise<string> | string) {
    await redis.del(await redis.keys('halfway:inquiries:*'))
    await together(async (i) => submit({ ...from(address), Cookie: await cookieOf(i) }).expect(202))
    const { body } = await submit(from(`${address}0`)).expect(202)
    return body.queue_position
  }

  it('58 requests with forged sessions of one address do not delay another address', async () => {
    expect(await placeBehind('192.0.2.1', (i) => `halfway_session=${String(i).padStart(21, 'x')}`)).toBe(2)
  })

  it('58 requests with signed sessions of one address hardly delay another address', async () => {
    expect(await placeBehind('192.0.2.2', () => newCookie(from('192.0.2.2')))).toBeLessThanOrEqual(4)
  })

  it('58 requests of addresses in one IPv6 network do not delay another network', async () => {
    await redis.del(await redis.keys('halfway:inquiries:*'))
    await together((i) => submit(from(`2001:db8:1:2::${i}`)).expect(202))
    const { body } = await submit(from('2001:db8:2::1')).expect(202)
    expect(body.queue_position).toBe(2)
  })
})
