import { connect } from 'node:net'
import { expect, test } from 'vitest'
import { openWebSocket } from '../helpers/raw-websocket.ts'
import { useRedis } from '../helpers/redis.ts'
import { CREDIT_SCORE, useServer } from '../helpers/server.ts'

const redis = await useRedis()
const { address } = await useServer(redis)
const { port } = new URL(address)

/** Sends these chunks one after the other and reads until the server closes the connection. */
async function talk(...pieces: string[]): Promise<string> {
  const tcp = connect(Number(port), '127.0.0.1')
  let received = ''
  tcp.on('data', (data) => {
    received += data
  })
  const ended = new Promise((resolve) => tcp.once('close', resolve))
  for (const piece of pieces) await new Promise<void>((resolve) => tcp.write(piece, () => resolve()))
  await ended
  return received
}

const OFFER =
  'Host: x\r\nConnection: close, Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n'

test('a call that offers HTTP/2 is served as a normal request, with its body', async () => {
  const body = JSON.stringify(CREDIT_SCORE)
  const received = await talk(
    `POST /api/local-requests HTTP/1.1\r\n${OFFER}Content-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body.slice(0, 20)}`,
    body.slice(20),
  )
  expect(received).toMatch(/^HTTP\/1\.1 202 /)
  expect(await talk(`GET /livez HTTP/1.1\r\n${OFFER}\r\n`)).toMatch(/^HTTP\/1\.1 200 [\s\S]*"status":"ok"/)
})

test('calls that offer HTTP/2 one behind the other on a connection are all answered, in their order', async () => {
  const offer = OFFER.replace('close', 'keep-alive')
  const calls = Array.from(
    { length: 200 },
    (_, i) => `GET /livez HTTP/1.1\r\nX-Request-Id: n${i}\r\n${offer}\r\n`,
  )
  const received = await talk(calls.join(''), `GET /livez HTTP/1.1\r\nX-Request-Id: n200\r\n${OFFER}\r\n`)
  const answered = [...received.matchAll(/^X-Request-Id: (\w+)/gim)].map(([, id]) => id)
  expect(answered).toEqual(Array.from({ length: 201 }, (_, i) => `n${i}`))
})

test.each([
  ['an offer of HTTP/2', OFFER.replace('close', 'keep-alive')],
  ['none', 'Host: x\r\n'],
])('the body of a call with thousands of headers and %s is not read as a call', async (_offer, headers) => {
  const inner = `GET /livez HTTP/1.1\r\n${OFFER}X-Request-Id: inner\r\n\r\n`
  const many = 'a:\r\n'.repeat(1100)
  const received = await talk(
    `GET /livez HTTP/1.1\r\n${headers}${many}Content-Length: ${inner.length}\r\n\r\n${inner}`,
    `GET /livez HTTP/1.1\r\n${OFFER}X-Request-Id: last\r\n\r\n`,
  )
  expect(received.match(/HTTP\/1\.1 200 /g)).toHaveLength(2)
  expect(received).not.toContain('inner')
})

test('a header behind a thousand others is read', async () => {
  const received = await talk(
    `GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${'a:\r\n'.repeat(1100)}X-Request-Id: late\r\n\r\n`,
  )
  expect(received).toMatch(/^X-Request-Id: late/im)
})

test('a WebSocket handshake at another path is answered with 404 immediately', async () => {
  const received = await talk(
    'GET /elsewhere HTTP/1.1\r\nHost: x\r\nConnection: close, Upgrade\r\nUpgrade: websocket\r\n\r\n',
  )
  expect(received).toMatch(/^HTTP\/1\.1 404 [\s\S]*"code":"not_found"/)
})

test('the server stops in time despite a socket that ignores the closing handshake', async () => {
  const other = await useServer(redis)
  const socket = await openWebSocket(other.address)
  // The WebSocket library would wait for 30 s.
  const startedAt = performance.now()
  await other.stop()
  expect(performance.now() - startedAt).toBeLessThan(20_000)
  await socket.closed
})
