/** Limits of one address that a server counts in its memory. */
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { limitOpen, limitPerWindow } from '../../server/address-limits.ts'
import { eventually } from '../helpers/eventually.ts'
import { exchange } from '../helpers/raw-http.ts'
import { openWebSocket } from '../helpers/raw-websocket.ts'
import { START } from '../helpers/record.ts'
import { useRedis } from '../helpers/redis.ts'
import { type TestServer, useServer } from '../helpers/server.ts'

const redis = await useRedis()

/** Opens a call as from this address. It stays open until the test ends or aborts it. */
function hold(server: TestServer, path: string, address = '192.0.2.1') {
  const abort = new AbortController()
  const response = fetch(server.address + path, {
    headers: { 'x-forwarded-for': address },
    signal: abort.signal,
  })
  return { response, abort: () => abort.abort() }
}
const portOf = ({ address }: TestServer): number => Number(new URL(address).port)
const handshake = (address: string): Buffer =>
  Buffer.from(
    `GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: ${address}\r\nConnection: Upgrade\r\n` +
      'Upgrade: websocket\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n',
  )

describe('sockets per address', () => {
  test('a socket over the limit of its address is refused at the handshake, until another one is closed', async () => {
    const server = await useServer(redis, { settings: { SOCKETS_PER_ADDRESS: '2', TRUST_PROXY: '0' } })
    const [first] = await Promise.all([openWebSocket(server.address), openWebSocket(server.address)])
    const refused = await exchange(portOf(server), handshake('192.0.2.9'), { limitMs: 20_000 })
    expect(refused.status).toBe(429)
    expect(refused.headers).toMatchObject({
      'content-type': 'application/problem+json',
      'retry-after': '30',
      'x-content-type-options': 'nosniff',
    })
    expect(JSON.parse(refused.body)).toMatchObject({ code: 'rate_limited', status: 429, retryable: true })
    first.close()
    const third = await eventually(() => openWebSocket(server.address))
    third.close()
  })

  test('a handshake that is refused for another reason does not count', async () => {
    const server = await useServer(redis, { settings: { SOCKETS_PER_ADDRESS: '1' } })
    for (const query of ['EIO=3&transport=websocket', 'EIO=4&transport=websocket&sid=x'])
      await expect(openWebSocket(server.address, { query })).rejects.toThrow()
    const socket = await eventually(() => openWebSocket(server.address))
    socket.close()
  })

  test('SOCKETS_PER_ADDRESS=0 is no limit', async () => {
    const server = await useServer(redis, { settings: { SOCKETS_PER_ADDRESS: '0' } })
    const sockets = await Promise.all(Array.from({ length: 110 }, () => openWebSocket(server.address)))
    for (const socket of sockets) socket.close()
  })
})

describe('streams per address', () => {
  test('an event stream or long poll over the limit of its address is refused, until another one is closed', async () => {
    const server = await useServer(redis, { settings: { STREAMS_PER_ADDRESS: '2' } })
    const hash = await server.given([START])
    const events = `/api/local-requests/${hash}/events`
    const longPoll = `/api/local-requests/${hash}/status?after=99&wait=25`
    const stream = hold(server, events)
    expect((await stream.response).status).toBe(200)
    const poll = hold(server, longPoll)
    poll.response.catch(() => {})
    await eventually(async () => {
      const probe = hold(server, events)
      const { status } = await probe.response
      probe.abort()
      expect(status).toBe(429)
    })
    for (const path of [events, longPoll]) {
      const refused = await hold(server, path).response
      expect(refused.status).toBe(429)
      expect(refused.headers.get('retry-after')).toBe('30')
      expect(refused.headers.get('content-type')).toContain('application/problem+json')
      expect(await refused.json()).toMatchObject({ code: 'rate_limited', retryable: true })
    }
    // Neither counts.
    expect((await hold(server, `/api/local-requests/${hash}/status?wait=0`).response).status).toBe(200)
    expect((await fetch(server.address + events, { method: 'HEAD' })).status).toBe(200)
    const other = hold(server, events, '192.0.2.2')
    expect((await other.response).status).toBe(200)
    stream.abort()
    await eventually(async () => {
      const next = hold(server, events)
      const { status } = await next.response
      next.abort()
      expect(status).toBe(200)
    })
    poll.abort()
    other.abort()
  })

  test('addresses of one IPv6 network share their streams', async () => {
    const server = await useServer(redis, { settings: { STREAMS_PER_ADDRESS: '1' } })
    const path = `/api/local-requests/${await server.given([START])}/events`
    const first = hold(server, path, '2001:db8:0:1::1')
    expect((await first.response).status).toBe(200)
    expect((await hold(server, path, '2001:db8:0:2::2').response).status).toBe(429)
    const elsewhere = hold(server, path, '2001:db8:1:1::1')
    expect((await elsewhere.response).status).toBe(200)
    first.abort()
    elsewhere.abort()
  })
})

describe('status reads per address', () => {
  test.each([
    ['before Express', {}, '/status'],
    ['by Express', { OWNER_CHECK: 'all', STATUS_READS_PER_MINUTE: '2' }, '/status'],
    ['by Express', {}, '/status?wait=0'],
    ['by Express', {}, ''],
  ])(
    'a status read over the limit of its address that is answered %s (%j, %s) is refused',
    async (_by, settings, suffix) => {
      const server = await useServer(redis, { settings: { STATUS_READS_PER_MINUTE: '2', ...settings } })
      const path = `/api/local-requests/${await server.given([START])}${suffix}`
      const read = (address: string) => server.api.get(path).set('X-Forwarded-For', address)
      const allowed = (await read('2001:db8:0:1::1')).status
      expect((await read('2001:db8:0:2::1')).status).toBe(allowed)
      const refused = await read('2001:db8:0:1::1')
      expect(refused.status).toBe(429)
      expect(refused.type).toBe('application/problem+json')
      expect(refused.body).toMatchObject({ code: 'rate_limited', retryable: true })
      expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0)
      expect(Number(refused.headers['retry-after'])).toBeLessThanOrEqual(60)
      expect((await read('2001:db8:1:1::1')).status).toBe(allowed)
    },
  )

  test('every address has its reads again in the next minute', () => {
    vi.useFakeTimers({ toFake: ['performance'] })
    onTestFinished(() => void vi.useRealTimers())
    const take = limitPerWindow(1)
    expect([take('a'), take('b'), take('a')]).toEqual([0, 0, 60])
    vi.advanceTimersByTime(59_500)
    expect(take('a')).toBe(1)
    vi.advanceTimersByTime(500)
    expect([take('a'), take('a')]).toEqual([0, 60])
  })
})

test('what is released twice counts as closed once', () => {
  const take = limitOpen(2)
  const release = take('a')
  take('a')
  release?.()
  release?.()
  expect(take('a')).not.toBeNull()
  expect(take('a')).toBeNull()
})
