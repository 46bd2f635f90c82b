/** What a server writes to the audit log: refused calls and sockets, bounded, without anything of a person. */
import { io } from 'socket.io-client'
import { expect, test } from 'vitest'
import { readAuditLog, type StoredAuditEntry } from '../../core/store/audit-log.ts'
import { ADMIN_TOKEN, useConsole } from '../helpers/console.ts'
import { eventually } from '../helpers/eventually.ts'
import { openWebSocket } from '../helpers/raw-websocket.ts'
import { REQUIRE_OTP, START } from '../helpers/record.ts'
import { useRedis } from '../helpers/redis.ts'

const BOT = { authorization: 'Bearer a-guessed-token' }
const refusedOf = (entries: readonly StoredAuditEntry[]) =>
  entries.filter(({ outcome }) => outcome === 'refused').map(({ action, reason }) => `${action} ${reason}`)

async function useAuditedServer(settings: Record<string, string> = {}) {
  const redis = await useRedis()
  const client = await redis.connections.connect('patient')
  const server = await useConsole(redis, { ADMIN_TOKEN, ...settings })
  return { server, api: server.api, read: () => readAuditLog(client, { now: Date.now() }) }
}

test('refused tokens, origins, hosts, owners, submitters and limits are entries with a code and a digest of the network', async () => {
  const { server, api, read } = await useAuditedServer({
    OWNER_CHECK: 'all',
    PUBLIC_URL: 'http://status.example',
    ALLOWED_HOSTS: new URL('http://127.0.0.1').host,
    SUBMITTERS: 'keys',
    API_KEYS: 'shop:a-key-of-the-shop-0123456789',
    ACTIONS_PER_MINUTE: '1',
  })
  const host = { host: 'status.example', 'x-forwarded-for': '203.0.113.7' }
  const hash = await server.given([START, REQUIRE_OTP], {
    session_id: 'somebody',
    owner_hash: 'x'.repeat(43),
  })
  const path = `/api/local-requests/${hash}`
  await api
    .post(`/api/bots/requests/${hash}/progress`)
    .set({ ...host, ...BOT })
    .send({ progress: 1 })
    .expect(401)
  await api
    .post(`${path}/cancel`)
    .set({ ...host, origin: 'https://evil.example' })
    .expect(403)
  await api
    .get(`${path}/status`)
    .set({ ...host, host: 'evil.example' })
    .expect(421)
  await api.get(`${path}/status`).set(host).expect(403)
  await api.post('/api/local-requests').set(host).send({ service_slug: 'x', request_data: {} }).expect(401)
  await api.post(`${path}/otp`).set(host).send({ otp: '123456' })
  await api.post(`${path}/otp`).set(host).send({ otp: '123456' }).expect(429)
  await api
    .post('/admin/sign-in')
    .set({ ...host, accept: 'text/html' })
    .type('form')
    .send({ token: 'a-guess' })
  const entries = await eventually(async () => {
    const found = await read()
    expect(refusedOf(found).sort()).toEqual([
      'call not_owner',
      'call not_signed_in',
      'call origin_not_allowed',
      'call rate_limited',
      'call unauthorized',
      'call wrong_host',
      'sign_in unauthorized',
    ])
    return found
  })
  const [from, ...others] = new Set(entries.map((entry) => entry.from))
  expect(from).toMatch(/^[\w-]{8}$/)
  expect(others).toEqual([])
  const all = JSON.stringify(entries) + server.lines.join('')
  for (const secret of [hash, '203.0.113.7', 'a-guess', '123456', 'somebody', 'evil.example'])
    expect(all).not.toContain(secret)
})

test('in a minute the same refusals of a network are two entries, the second with their number', async () => {
  const { server, api, read } = await useAuditedServer()
  const guess = () => api.get('/admin/requests').set('Accept', 'application/json').expect(401)
  for (let i = 0; i < 5; i++) await guess()
  await server.stop()
  expect((await read()).map(({ reason, more }) => [reason, more])).toEqual([
    ['unauthorized', undefined],
    ['unauthorized', 4],
  ])
})

test('refusals of very many networks are counted together', async () => {
  const { server, api, read } = await useAuditedServer()
  const guess = (i: number) =>
    api.get('/admin/requests').set({ accept: 'application/json', 'x-forwarded-for': `198.51.100.${i}` })
  for (let i = 0; i < 100; i++) await guess(i).expect(401)
  await server.stop()
  const entries = await read()
  expect(entries.length).toBeLessThanOrEqual(12)
  expect(entries.reduce((sum, { more = 0 }) => sum + 1 + more, -1)).toBe(100)
})

test('refused sockets, and what an open socket may not watch, are entries', async () => {
  const { server, read } = await useAuditedServer({ OWNER_CHECK: 'all', SOCKETS_PER_ADDRESS: '1' })
  const foreign = io(server.address, {
    transports: ['websocket'],
    reconnection: false,
    extraHeaders: { origin: 'https://evil.example' },
  })
  await new Promise((resolve) => foreign.once('connect_error', resolve))
  const hash = await server.given([START], { owner_hash: 'x'.repeat(43) })
  const socket = await eventually(async () => {
    const opened = io(server.address, { transports: ['websocket'], reconnection: false })
    await new Promise<void>((resolve, reject) => {
      opened.once('connect', resolve)
      opened.once('connect_error', reject)
    })
    return opened
  })
  expect(await socket.emitWithAck('request:watch', { hash })).toMatchObject({ ok: false })
  await expect(openWebSocket(server.address)).rejects.toThrow()
  socket.close()
  await eventually(async () =>
    expect(new Set(refusedOf(await read()))).toEqual(
      new Set(['socket origin_not_allowed', 'socket not_owner', 'socket rate_limited']),
    ),
  )
})

test('the page of the audit log shows the newest first, of one action where one is chosen, and links requests', async () => {
  const { server } = await useAuditedServer()
  const hash = await server.given([START])
  const cookie = await server.signIn()
  const list = await server.open('/admin/requests', cookie)
  const reference = list('input[name=request]').first().val() as string
  await server.send('/admin/requests', cookie, '/admin/cancel', {
    request: reference,
    reason: 'Ann Smith called',
  })
  const page = await eventually(async () => {
    const opened = await server.open('/admin/audit', cookie)
    expect(opened('tbody tr')).toHaveLength(2)
    return opened
  })
  expect(page('tbody tr').first().text()).toContain('Cancel')
  expect(page(`tbody a[href="/admin/requests/${reference}"]`)).toHaveLength(1)
  expect(page('nav [aria-current=page]').text()).toBe('Audit log')
  const chosen = await server.open('/admin/audit?action=sign_in', cookie)
  expect(chosen('tbody tr')).toHaveLength(1)
  expect(chosen('#found').text()).toContain('One entry')
  const persian = await server.open('/admin/audit?lang=fa', cookie)
  expect(persian('h1').text()).toBe('گزارش رویدادها')
  for (const html of [page.html(), persian.html()]) {
    expect(html).not.toContain(hash)
    expect(html).not.toContain('Ann Smith')
  }
})
