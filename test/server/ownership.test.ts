import { createHash } from 'node:crypto'
import { load } from 'cheerio'
import { io, type Socket } from 'socket.io-client'
import { afterEach, describe, expect, test } from 'vitest'
import type { Command } from '../../core/domain/command.ts'
import type { PublicView } from '../../core/domain/record.ts'
import { decodeRecord } from '../../core/records/codec.ts'
import type { WatchResponse } from '../../server/socket-watches.ts'
import { eventually } from '../helpers/eventually.ts'
import { keys } from '../helpers/keys.ts'
import { aHash, progressTo, REQUIRE_OTP, START, TTL_SECONDS } from '../helpers/record.ts'
import { useRedis } from '../helpers/redis.ts'
import { redisContents } from '../helpers/redis-contents.ts'
import { CREDIT_SCORE, collectLog, type TestServer, useServer } from '../helpers/server.ts'
import { PNG } from '../helpers/typed-result.ts'
import { at, HTML, openBrowser, textOf } from './page-browser.ts'

const { log, lines: logged } = collectLog()
const testRedis = await useRedis()
const redis = await testRedis.connections.connect('patient')
const off = await useServer(testRedis)
const actions = await useServer(testRedis, { settings: { OWNER_CHECK: 'actions' }, log })
const all = await useServer(testRedis, { settings: { OWNER_CHECK: 'all' }, log })

type Headers = Record<string, string>
const SUBMIT = '/api/local-requests'
const api = (call: string) => (hash: string) => `${SUBMIT}/${hash}/${call}`
const page = (name: string) => (hash: string) => at(name, hash)
const cookie = (session: string): Headers => ({ Cookie: `theme=dark; ${off.sessionCookie(session)}` })
const bearer = (token: string): Headers => ({ Authorization: `Bearer ${token}` })
const sha256 = (text: string) => createHash('sha256').update(text).digest('base64url')

const SESSION = 'session-of-the-owner-'
const TOKEN = 'token-of-the-owner-0123456789-ab'
const OWNER: Record<string, Headers> = {
  'by cookie': cookie(SESSION),
  'by token': bearer(TOKEN),
  'by cookie, whatever token comes along': { ...cookie(SESSION), ...bearer('x'.repeat(32)) },
  'by token, whatever cookie comes along': { ...cookie('session-of-a-stranger'), ...bearer(TOKEN) },
}
const OTHERS: Headers[] = [
  {},
  cookie('session-of-a-stranger'),
  cookie(`${SESSION}x`),
  cookie(''),
  cookie(TOKEN.slice(0, 21)),
  { Cookie: `halfway_session=${SESSION}` },
  { Cookie: `halfway_session=${SESSION}.${'x'.repeat(43)}` },
  { Cookie: `halfway_session=${SESSION}.${off.sessionCookie('session-of-a-stranger').slice(-43)}` },
  bearer('x'.repeat(32)),
  bearer(''),
  bearer(TOKEN.slice(0, -1)),
  bearer(`${TOKEN}x`),
  bearer('x'.repeat(4000)),
  bearer(sha256(TOKEN)),
  bearer(SESSION),
  { Authorization: TOKEN },
  { Authorization: `Basic ${TOKEN}` },
]

const DONE: Command = { type: 'complete', attempt: 1, result: { score: 712, photo: PNG, rows: [{ a: 1 }] } }
interface Call {
  name: string
  method?: 'get' | 'post'
  path: (hash: string) => string
  body?: object
  /** The commands applied to the request. */
  after: Command[]
  /** The status its owner gets. */
  status: number
}
const READS: Call[] = [
  { name: 'the status', path: api('status'), after: [START], status: 200 },
  { name: 'the long poll', path: api('status?after=1&wait=20'), after: [START], status: 200 },
  { name: 'the events', path: api('events'), after: [START, DONE], status: 200 },
  { name: 'the result', path: api('result'), after: [START, DONE], status: 200 },
  { name: 'the tables of the result', path: api('result.csv'), after: [START, DONE], status: 200 },
  { name: 'the progress page', path: page('progress'), after: [START], status: 200 },
  { name: 'the code page', path: page('otp'), after: [START, REQUIRE_OTP], status: 200 },
  { name: 'the result page', path: page('result'), after: [START, DONE], status: 200 },
  {
    name: 'an image of the result',
    path: (hash) => `${at('result', hash)}/images/photo`,
    after: [START, DONE],
    status: 200,
  },
  { name: 'the GET of a resend', path: page('resend-otp'), after: [START, REQUIRE_OTP], status: 303 },
]
const ACTS: Call[] = [
  { name: 'a code', path: api('otp'), body: { otp: '123456' }, after: [START, REQUIRE_OTP], status: 202 },
  { name: 'a resend', path: api('resend-otp'), after: [START, REQUIRE_OTP], status: 202 },
  { name: 'a cancel', path: api('cancel'), after: [START], status: 200 },
  {
    name: 'a code on the page',
    path: page('otp'),
    body: { otp: '123456' },
    after: [START, REQUIRE_OTP],
    status: 303,
  },
  { name: 'a resend on the page', path: page('resend-otp'), after: [START, REQUIRE_OTP], status: 303 },
  { name: 'a cancel on the page', path: page('cancel'), after: [START], status: 303 },
  { name: 'the cancel confirmation', method: 'get', path: page('cancel'), after: [START], status: 200 },
].map((call) => ({ method: 'post', ...call }) as Call)
const isPage = (path: string) => path.startsWith('/services/')

/** A request of the owner, old enough for a resend. */
const owned = (server: TestServer, after: Command[], fields: object = {}) =>
  server.given(after, { session_id: SESSION, owner_hash: sha256(TOKEN), now: Date.now() - 60_000, ...fields })

function send(server: TestServer, { method = 'get', path, body }: Call, hash: string, credentials: Headers) {
  const call = server.api[method](path(hash)).set(credentials)
  if (!isPage(path(hash))) return call.send(body)
  return call.type('form').set('Accept', HTML).send(body)
}

/** Each of these callers is refused, and none of them does anything to the request. */
async function expectRefused(server: TestServer, call: Call, callers: Headers[]): Promise<void> {
  const hash = await owned(server, call.after)
  const before = await redis.get(keys.record(hash))
  for (const credentials of callers) {
    const res = await send(server, call, hash, credentials)
    expect(res.status, JSON.stringify(credentials)).toBe(403)
    expect(res.headers['cache-control']).toBe('no-store')
    if (isPage(call.path(hash))) {
      expect(res.headers['content-type']).toMatch(/^text\/html/)
      expect(textOf(load(res.text), 'h1')).toBe('This request belongs to somebody else')
      expect(res.text).not.toContain(hash)
    } else {
      expect(res.headers['content-type']).toMatch(/^application\/problem\+json/)
      expect(res.body).toMatchObject({ status: 403, code: 'not_owner', retryable: false })
    }
  }
  expect(await redis.get(keys.record(hash))).toBe(before)
  expect(await redis.exists(keys.otp(hash))).toBe(0)
}

async function expectAnswered(
  server: TestServer,
  call: Call,
  credentials: Headers,
  fields?: object,
): Promise<void> {
  const res = await send(server, call, await owned(server, call.after, fields), credentials)
  expect(res.status, JSON.stringify(credentials)).toBe(call.status)
}

/** All of them may read the same request. */
async function expectRead(server: TestServer, call: Call, callers: Headers[]): Promise<void> {
  const hash = await owned(server, call.after)
  for (const credentials of callers)
    expect((await send(server, call, hash, credentials)).status, JSON.stringify(credentials)).toBe(
      call.status,
    )
}

describe('with OWNER_CHECK=all', () => {
  test.each([...READS, ...ACTS])(
    'OWNER_CHECK=all: $name is refused to other callers and does nothing',
    async (call) => {
      await expectRefused(all, call, OTHERS)
    },
  )

  test.each([...READS, ...ACTS])(
    'OWNER_CHECK=all: $name is open to the owner, by cookie or by token',
    async (call) => {
      for (const credentials of Object.values(OWNER)) await expectAnswered(all, call, credentials)
    },
  )

  test.each([...READS, ...ACTS])(
    'OWNER_CHECK=all: $name of a request without an owner is open to all',
    async (call) => {
      for (const none of [null, undefined, ''])
        await expectAnswered(all, call, {}, { session_id: none, owner_hash: none || null })
    },
  )

  test('a record with only a session or only a token accepts just that as owner', async () => {
    const status = READS[0] as Call
    await expectAnswered(all, status, cookie(SESSION), { owner_hash: null })
    await expectAnswered(all, status, bearer(TOKEN), { session_id: null })
    for (const [fields, credentials] of [
      [{ owner_hash: null }, bearer(TOKEN)],
      [{ session_id: null }, cookie(SESSION)],
    ] as const) {
      expect((await send(all, status, await owned(all, [], fields), credentials)).status).toBe(403)
    }
  })

  test.each([...READS, ...ACTS])(
    'OWNER_CHECK=all: $name of an unknown or expired request is 404 or 410, not 403',
    async (call) => {
      expect((await send(all, call, aHash(), {})).status).toBe(404)
      expect((await send(all, call, 'req_short', {})).status).toBe(404)
      expect((await send(all, call, aHash(Date.now() - TTL_SECONDS * 1000), {})).status).toBe(410)
    },
  )
})

describe('with OWNER_CHECK=actions', () => {
  test('the result page offers its owner a link for others, and others its own address', async () => {
    for (const server of [all, actions]) {
      const { text } = await server.api
        .get(at('result', await owned(server, [START, DONE])))
        .set(cookie(SESSION))
      expect(load(text)('form.share')).toHaveLength(1)
      expect(load(text)('[data-share]')).toHaveLength(0)
    }
    const { text } = await actions.api.get(at('result', await owned(actions, [START, DONE])))
    expect(load(text)('form.share')).toHaveLength(0)
    expect(load(text)('[data-share]')).toHaveLength(1)
  })

  test.each(READS)('OWNER_CHECK=actions: $name is open to anyone who knows the hash', (call) =>
    expectRead(actions, call, OTHERS),
  )

  test.each(ACTS)('OWNER_CHECK=actions: $name is open to the owner alone', async (call) => {
    await expectRefused(actions, call, OTHERS)
    for (const credentials of Object.values(OWNER)) await expectAnswered(actions, call, credentials)
  })
})

describe('the pages of a running request', () => {
  const shown = async (server: TestServer, hash: string, page: string, credentials: Headers) =>
    load(
      (
        await server.api
          .get(at(page, hash))
          .set({ Accept: HTML, ...credentials })
          .expect(200)
      ).text,
    )
  /** Everything on a page that triggers an action. */
  const OFFERS = 'form, #otp, [data-live=resend], dialog, a[href*="/cancel/"]'

  test.each([
    ['progress', [START, REQUIRE_OTP]],
    ['otp', [START, REQUIRE_OTP]],
    ['progress', [START]],
  ] as const)('OWNER_CHECK=actions: the %s page offers actions to the owner alone', async (page, after) => {
    const hash = await owned(actions, [...after])
    for (const credentials of OTHERS) {
      const $ = await shown(actions, hash, page, credentials)
      expect($(OFFERS)).toHaveLength(0)
      expect(textOf($, 'main').includes('Only the person who started this request can type the code.')).toBe(
        after.length > 1,
      )
    }
    for (const credentials of Object.values(OWNER)) {
      const $ = await shown(actions, hash, page, credentials)
      expect($(OFFERS).length).toBeGreaterThan(3)
      expect(textOf($, 'main')).not.toContain('Only the person who started')
    }
  })

  test('OWNER_CHECK=off: the pages offer all actions to every viewer', async () => {
    const $ = await shown(off, await owned(off, [START, REQUIRE_OTP]), 'otp', {})
    expect($('#otp, [data-live=resend], dialog')).toHaveLength(3)
    expect(textOf($, 'main')).not.toContain('Only the person who started')
  })

  test("a rate-limited stranger does not get the owner's page, with OWNER_CHECK=all or actions", async () => {
    for (const OWNER_CHECK of ['actions', 'all']) {
      const limited = await useServer(testRedis, { settings: { OWNER_CHECK, ACTIONS_PER_MINUTE: '1' } })
      const hash = await owned(limited, [START, REQUIRE_OTP])
      const post = (credentials: Headers) =>
        limited.api
          .post(at('otp', hash))
          .type('form')
          .set({ Accept: HTML, 'X-Forwarded-For': `192.0.2.${OWNER_CHECK.length}`, ...credentials })
          .send({ otp: '1' })
          .redirects(1)
      await post({}).expect(403)
      // A caller without read permission gets 403.
      const stranger = await post({}).expect(OWNER_CHECK === 'all' ? 403 : 429)
      if (OWNER_CHECK === 'actions')
        expect(textOf(load(stranger.text), 'h1')).toBe('Too many requests in a short time')
      expect(load(stranger.text)('[role=progressbar], #otp')).toHaveLength(0)
      const owner = await post(cookie(SESSION)).expect(429)
      expect(textOf(load(owner.text), '#otp-error')).toMatch(/^Too many requests in a short time/)
      await limited.stop()
    }
  })
})

describe('with OWNER_CHECK=off', () => {
  test.each(READS)('OWNER_CHECK=off: $name is open to anyone who knows the hash', (call) =>
    expectRead(off, call, OTHERS),
  )

  test.each(ACTS)('OWNER_CHECK=off: $name is open to anyone who knows the hash', async (call) => {
    for (const credentials of OTHERS) await expectAnswered(off, call, credentials)
  })

  test('OWNER_CHECK=off: a submit returns no owner token and stores none', async () => {
    const { body } = await off.api.post(SUBMIT).send(CREDIT_SCORE).expect(202)
    expect(body).not.toHaveProperty('owner_token')
    const raw = (await redis.get(keys.record(body.hash))) ?? ''
    expect(decodeRecord(raw)).toMatchObject({ owner_hash: null })
  })
})

describe.each([
  ['actions', actions],
  ['all', all],
] as const)('the token of a submit, with OWNER_CHECK=%s', (_mode, server) => {
  const submit = (headers: Headers = {}) => server.api.post(SUBMIT).set(headers).send(CREDIT_SCORE)
  const cancel = (hash: string, credentials: Headers) =>
    server.api.post(`${SUBMIT}/${hash}/cancel`).set(credentials)
  const aKey = (): string => `key-${Math.random()}`

  test('an owner token is returned by the submit and permits actions on its request alone', async () => {
    const [one, two] = [(await submit().expect(202)).body, (await submit().expect(202)).body]
    expect(one.owner_token).toMatch(/^[\w-]{32}$/)
    expect(two.owner_token).not.toBe(one.owner_token)
    await cancel(one.hash, bearer(two.owner_token)).expect(403)
    const { body } = await cancel(one.hash, bearer(one.owner_token)).expect(200)
    expect(body).not.toHaveProperty('owner_token')
  })

  test('a browser gets an owner token too and may use its session instead', async () => {
    const { body } = await submit(cookie(SESSION)).expect(202)
    await cancel(body.hash, cookie('session-of-a-stranger')).expect(403)
    await cancel(body.hash, cookie(SESSION)).expect(200)
  })

  test('a repeated submit returns the same owner token', async () => {
    const key = { 'Idempotency-Key': aKey() }
    const first = (await submit(key).expect(202)).body
    const again = await submit(key).expect(202).expect('Idempotency-Replayed', 'true')
    expect(again.body).toEqual(first)
    await cancel(first.hash, bearer(again.body.owner_token)).expect(200)
  })

  test('concurrent identical submits return one owner token', async () => {
    const key = { 'Idempotency-Key': aKey() }
    const answers = await Promise.all(Array.from({ length: 10 }, () => submit(key)))
    const tokens = new Set(answers.map(({ body }) => body.owner_token))
    expect(tokens.size).toBe(1)
    await cancel(answers[0]?.body.hash, bearer([...tokens][0])).expect(200)
  })

  test('another caller with the same key and data gets another owner token', async () => {
    const key = { 'Idempotency-Key': aKey() }
    const mine = (await submit({ ...key, 'X-Forwarded-For': '192.0.2.1' })).body
    for (const other of [{ 'X-Forwarded-For': '192.0.2.2' }, cookie(SESSION)] as Headers[]) {
      const { body } = await submit({ ...key, ...other }).expect(202)
      expect(body.hash).not.toBe(mine.hash)
      await cancel(mine.hash, bearer(body.owner_token)).expect(403)
    }
  })

  test('an owner token is neither in Redis nor in a log; the record has its SHA-256', async () => {
    const key = { 'Idempotency-Key': aKey() }
    const tokens: string[] = []
    for (const headers of [{}, key, key] as Headers[]) {
      const { hash, owner_token } = (await submit(headers).expect(202)).body
      tokens.push(owner_token)
      const record = JSON.parse((await redis.get(keys.record(hash))) ?? '')
      expect(record.owner_hash).toBe(sha256(owner_token))
      await server.api.get(`${SUBMIT}/${hash}/status`).set(bearer(owner_token)).expect(200)
      await cancel(hash, bearer(owner_token))
    }
    const everything = await redisContents(redis)
    expect(everything).toContain('owner_hash')
    expect(logged.join('')).toContain('request completed')
    for (const token of tokens) {
      expect(everything).not.toContain(token)
      expect(logged.join('')).not.toContain(token)
    }
  })
})

describe('a form', () => {
  test('a submitted form belongs to its browser; another browser gets a page that says so', async () => {
    for (const form of ['/services/credit-score-rating', '/services/link-check']) {
      const mine = openBrowser(all.address)
      await mine.open(form)
      const fields = form.endsWith('link-check') ? { url: 'https://example.com/' } : CREDIT_SCORE.request_data
      const { headers } = await mine.post(form, { ...fields }).expect(303)
      const progress = headers.location as string
      await mine.open(progress)
      const other = openBrowser(all.address)
      for (let n = 0; n < 2; n++) {
        const $ = load((await other.get(progress).expect(403)).text)
        expect(textOf($, 'h1')).toBe('This request belongs to somebody else')
        expect(textOf($, 'main')).toContain('in the browser in which it was started')
      }
      await other.post(progress.replace('/progress/', '/cancel/')).expect(403)
      await mine.post(progress.replace('/progress/', '/cancel/')).expect(303)
    }
  })
})

describe('records of other programs', () => {
  const write = async (record: object): Promise<string> => {
    const hash = `req_${'f'.repeat(16)}${Math.random().toString(36).slice(2, 10)}`
    await redis.setex(keys.record(hash), TTL_SECONDS, JSON.stringify({ status: 'processing', ...record }))
    return hash
  }
  const status = (hash: string, credentials: Headers = {}) =>
    all.api.get(`${SUBMIT}/${hash}/status`).set(credentials)

  test('a foreign record without an owner stays open to anyone who knows the hash', async () => {
    const hash = await write({ progress: 40 })
    expect((await status(hash).expect(200)).body).toMatchObject({ progress: 40 })
    await all.api.post(`${SUBMIT}/${hash}/cancel`).expect(200)
  })

  test('a foreign write keeps the owner, also when it stores an invalid one', async () => {
    const owner = { session_id: SESSION, owner_hash: sha256(TOKEN) }
    await status(await write(owner)).expect(403)
    await status(await write(owner), bearer(TOKEN)).expect(200)
    for (const owner_hash of [1, {}, [], true, 'x'.repeat(1000)]) {
      await status(await write({ owner_hash })).expect(403)
      await status(await write({ owner_hash }), bearer(TOKEN)).expect(403)
      await status(await write({ ...owner, owner_hash }), cookie(SESSION)).expect(200)
    }
  })
})

describe('a socket', () => {
  const sockets: Socket[] = []
  afterEach(() => {
    for (const socket of sockets.splice(0)) socket.disconnect()
  })
  function connect(server: TestServer, extraHeaders: Headers = {}) {
    const socket = io(server.address, { transports: ['websocket'], forceNew: true, extraHeaders })
    sockets.push(socket)
    const updates: PublicView[] = []
    socket.on('request:update', (view) => updates.push(view))
    const watch = (message: object): Promise<WatchResponse> =>
      socket.timeout(3000).emitWithAck('request:watch', message)
    return { updates, watch, socket }
  }
  const notOwner = { ok: false, problem: expect.objectContaining({ status: 403, code: 'not_owner' }) }

  test('OWNER_CHECK=all: a socket of another caller is refused and receives nothing', async () => {
    const hash = await owned(all, [START])
    for (const credentials of [{}, cookie('session-of-a-stranger'), bearer(TOKEN)]) {
      const { watch, updates } = connect(all, credentials)
      for (const owner_token of [undefined, null, '', 'x'.repeat(32), `${TOKEN}x`, [TOKEN], { TOKEN }, 1])
        expect(await watch({ hash, owner_token })).toEqual(notOwner)
      await eventually(() => expect(all.watcher.size).toBe(0))
      await all.apply(hash, progressTo(10 + updates.length))
      // Events sent before an acknowledgement arrive before it.
      expect(await watch({ hash })).toEqual(notOwner)
      expect(updates).toEqual([])
    }
  })

  test('OWNER_CHECK=all: a socket of the owner receives every update, by cookie or by token', async () => {
    for (const { credentials, owner_token } of [
      { credentials: cookie(SESSION) },
      { credentials: {}, owner_token: TOKEN },
    ] as const) {
      const hash = await owned(all, [START])
      const { watch, updates } = connect(all, credentials)
      expect(await watch({ hash, version: 1, owner_token })).toMatchObject({ ok: true, data: { version: 2 } })
      await all.apply(hash, progressTo(40))
      await eventually(() => expect(updates.map(({ progress }) => progress)).toEqual([40]))
    }
  })

  test('a socket that disconnects during the ownership check leaves no subscription', async () => {
    const hash = await owned(all, [START])
    for (const leave of ['unwatch', 'disconnect'] as const) {
      const { watch, socket } = connect(all, cookie(SESSION))
      await watch({ hash: aHash() })
      const answer = watch({ hash }).catch(() => null)
      if (leave === 'unwatch') socket.emit('request:unwatch', { hash })
      else socket.disconnect()
      await answer
      await eventually(() => expect(all.watcher.size).toBe(0))
    }
  })

  test('OWNER_CHECK=all: a socket gets 404 or 410 for a missing request, not 403', async () => {
    const { watch } = connect(all)
    expect(await watch({ hash: aHash() })).toMatchObject({ problem: { status: 404 } })
    const gone = aHash(Date.now() - TTL_SECONDS * 1000)
    expect(await watch({ hash: gone })).toMatchObject({ problem: { status: 410 } })
  })

  test('OWNER_CHECK=actions: every socket receives all updates, whatever token it sends', async () => {
    for (const server of [off, actions]) {
      const hash = await owned(server, [START])
      const { watch } = connect(server)
      for (const owner_token of [undefined, 'x'.repeat(32), 1])
        expect(await watch({ hash, owner_token })).toMatchObject({ ok: true })
    }
  })
})
