/** Answers to what is no call: Node and Engine.IO would give them without the headers and the form of all others. */
import { connect } from 'node:net'
import { describe, expect, test } from 'vitest'
import { type Exchange, exchange } from '../helpers/raw-http.ts'
import { openWebSocket } from '../helpers/raw-websocket.ts'
import { useRedis } from '../helpers/redis.ts'
import { type TestServer, useServer } from '../helpers/server.ts'

const LIMIT = { limitMs: 20_000 }
const FOREIGN = 'Origin: https://stranger.example'

const redis = await useRedis()
const server = await useServer(redis)
const impatient = await useServer(redis, { http: { arrivalTimeoutMs: 200 } })
const published = await useServer(redis, {
  settings: {
    PUBLIC_URL: 'https://halfway.example.com',
    ALLOWED_HOSTS: 'halfway:3000',
    TRUST_PROXY: '10.0.0.1',
  },
})
const proxied = await useServer(redis, { settings: { PUBLIC_URL: 'https://halfway.example.com' } })

const portOf = ({ address }: TestServer): number => Number(new URL(address).port)
const send = (lines: readonly string[], to = server, more = ''): Promise<Exchange> =>
  exchange(portOf(to), Buffer.from(`${lines.join('\r\n')}\r\n\r\n${more}`, 'latin1'), LIMIT)
const handshake = (query: string, ...headers: string[]): string[] => [
  `GET /socket.io/?${query} HTTP/1.1`,
  'Connection: Upgrade',
  'Upgrade: websocket',
  'Sec-WebSocket-Version: 13',
  ...headers,
]
const HOST = 'Host: x'
const KEY = 'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=='
const SOCKET = 'EIO=4&transport=websocket'

/** The answer is a problem with every header that all answers have. */
function expectProblem(
  { status, headers, body }: Exchange,
  expected: { status: number; code: string },
): void {
  expect(status).toBe(expected.status)
  expect(headers).toMatchObject({
    'content-type': expect.stringMatching(/^application\/problem\+json/),
    'content-security-policy': expect.stringContaining("default-src 'none'"),
    'x-content-type-options': 'nosniff',
    'x-frame-options': 'DENY',
    'referrer-policy': 'same-origin',
    'permissions-policy': expect.stringContaining('camera=()'),
    'cache-control': 'no-store',
  })
  expect(JSON.parse(body)).toMatchObject(expected)
}

describe('what is no call', () => {
  const long = 'x'.repeat(20_000)
  test.each([
    ['no HTTP', ['hello'], 400, 'bad_request'],
    ['another protocol', ['GET / HTTP/9.9', HOST], 400, 'bad_request'],
    ['an unknown method', ['BREW /status HTTP/1.1', HOST], 400, 'bad_request'],
    ['two lengths', ['POST /a HTTP/1.1', HOST, 'Content-Length: 1', 'Content-Length: 2'], 400, 'bad_request'],
    [
      'length and chunks',
      ['POST /a HTTP/1.1', HOST, 'Content-Length: 1', 'Transfer-Encoding: chunked'],
      400,
      'bad_request',
    ],
    ['a header without a name', ['GET / HTTP/1.1', HOST, ': x'], 400, 'bad_request'],
    ['no host', ['GET /api/services HTTP/1.1'], 400, 'bad_request'],
    ['long headers', ['GET / HTTP/1.1', HOST, `X-Long: ${long}`], 431, 'headers_too_large'],
    ['a long address', [`GET /${long} HTTP/1.1`, HOST], 431, 'headers_too_large'],
  ])('%s is answered with a problem', async (_what, lines, status, code) => {
    expectProblem(await send(lines), { status, code })
  })

  test('an expectation that is not known is ignored', async () => {
    expect((await send(['GET /livez HTTP/1.1', HOST, 'Expect: a-miracle'])).status).toBe(200)
  })
})

describe('what opens no socket', () => {
  test.each([
    ['an unknown transport', handshake('EIO=4&transport=carrier-pigeon', HOST, KEY), 400, 'bad_request'],
    ['an old protocol', handshake('EIO=3&transport=websocket', HOST, KEY), 400, 'bad_request'],
    ['a session', handshake(`${SOCKET}&sid=x`, HOST, KEY), 400, 'bad_request'],
    ['no key', handshake(SOCKET, HOST), 400, 'bad_request'],
    [
      'another method',
      [...handshake(SOCKET, HOST, KEY).with(0, `POST /socket.io/?${SOCKET} HTTP/1.1`)],
      400,
      'bad_request',
    ],
    ['a foreign origin', handshake(SOCKET, HOST, KEY, FOREIGN), 403, 'origin_not_allowed'],
    ['a plain call', ['GET /socket.io/ HTTP/1.1', HOST], 400, 'bad_request'],
    ['polling', ['GET /socket.io/?EIO=4&transport=polling HTTP/1.1', HOST], 400, 'bad_request'],
  ])('a handshake with %s is answered with a problem', async (_what, lines, status, code) => {
    expectProblem(await send(lines), { status, code })
  })
})

describe('slow calls', () => {
  /** Sends one more byte after each 20 ms. @returns what was answered until the server closed the connection */
  async function trickle(head: string, byte: string): Promise<string> {
    const tcp = connect(portOf(impatient), '127.0.0.1')
    let received = ''
    tcp.on('data', (data) => {
      received += data
    })
    tcp.on('error', () => {})
    tcp.write(head)
    const timer = setInterval(() => tcp.write(byte), 20)
    await new Promise((resolve) => tcp.once('close', resolve))
    clearInterval(timer)
    return received
  }
  const POST = 'POST /api/local-requests HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n'

  test.each([
    ['a body', `${POST}Content-Length: 60000\r\n\r\n{`, ' '],
    ['a chunked body', `${POST}Transfer-Encoding: chunked\r\n\r\n`, '1\r\n \r\n'],
    ['headers', 'GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ', 'x'],
    [
      'headers of an upgrade',
      'GET /socket.io/ HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nX: ',
      'x',
    ],
  ])('%s that trickles is ended with 408', async (_what, head, byte) => {
    const received = await trickle(head, byte)
    expect(received).toMatch(/^HTTP\/1\.1 408 Request Timeout\r\n/)
    expect(received).toContain('content-security-policy: ')
    expect(received).toContain('"code":"request_timeout"')
  })

  test('an answer that takes longer than a call may take to arrive is not ended', async () => {
    const hash = await impatient.given()
    const response = await fetch(`${impatient.address}/api/local-requests/${hash}/status?after=99&wait=2`)
    expect(response.status).toBe(304)
  })
})

describe('the called host', () => {
  const get = (path: string, ...headers: string[]): string[] => [`GET ${path} HTTP/1.1`, ...headers]
  const status = async (): Promise<string> => `/api/local-requests/${await published.given()}/status`

  test.each(['halfway.example.com', 'HALFWAY.example.com:443', 'halfway:3000'])(
    'a call to %s is served',
    async (host) => {
      expect((await send(get(await status(), `Host: ${host}`), published)).status).toBe(200)
      const socket = Buffer.from(`${handshake(SOCKET, `Host: ${host}`, KEY).join('\r\n')}\r\n\r\n`)
      const opened = await exchange(portOf(published), socket, { ...LIMIT, hangUp: true })
      expect(opened.status).toBe(101)
    },
  )

  test.each([
    'evil.example',
    'halfway.example.com, evil.example',
    'halfway.example.com.evil.example',
    'halfway.example.com:8080',
    '127.0.0.1',
    '',
  ])('a call to "%s" is refused with 421', async (host) => {
    const wrong = { status: 421, code: 'wrong_host' }
    for (const path of [await status(), '/api/services', '/assets/style.css', '/socket.io/'])
      expectProblem(await send(get(path, `Host: ${host}`), published), wrong)
    expectProblem(await send(handshake(SOCKET, `Host: ${host}`, KEY), published), wrong)
  })

  test('health checks are answered at every host', async () => {
    for (const path of ['/livez', '/readyz'])
      expect((await send(get(path, 'Host: 10.0.0.7'), published)).status).not.toBe(421)
  })

  test('X-Forwarded-Host counts only from a trusted proxy', async () => {
    const forwarded = ['Host: 10.0.0.7', 'X-Forwarded-Host: halfway.example.com']
    expect((await send(get('/api/services', ...forwarded), published)).status).toBe(421)
    expect((await send(get('/api/services', ...forwarded), proxied)).status).toBe(200)
    const wrong = ['Host: halfway.example.com', 'X-Forwarded-Host: evil.example']
    expect((await send(get('/api/services', ...wrong), proxied)).status).toBe(421)
  })

  test('without PUBLIC_URL, or with ALLOWED_HOSTS=*, every host is served', async () => {
    const open = await useServer(redis, {
      settings: { PUBLIC_URL: 'https://halfway.example.com', ALLOWED_HOSTS: '*' },
    })
    expect((await send(get('/api/services', 'Host: anything.example'), open)).status).toBe(200)
    expect((await send(get('/api/services', 'Host: anything.example'))).status).toBe(200)
    const socket = await openWebSocket(server.address)
    socket.close()
  })
})
