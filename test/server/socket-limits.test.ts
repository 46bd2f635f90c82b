import { randomBytes } from 'node:crypto'
import { connect, type Socket as TcpSocket } from 'node:net'
import { io, type Socket } from 'socket.io-client'
import { afterAll, afterEach, describe, expect, test } from 'vitest'
import type { PublicView } from '../../core/domain/record.ts'
import type { WatchResponse } from '../../server/socket-watches.ts'
import { eventually } from '../helpers/eventually.ts'
import { OPCODE, openWebSocket, type RawWebSocket } from '../helpers/raw-websocket.ts'
import { aHash, START, step, TTL_SECONDS } from '../helpers/record.ts'
import { useRedis } from '../helpers/redis.ts'
import { useRequests } from '../helpers/requests.ts'
import { useServer } from '../helpers/server.ts'

const testRedis = await useRedis()
const { foreignWrite, subscriptions, applied } = await useRequests(testRedis)
const { address, http, live, store, given, apply } = await useServer(testRedis)

/** The server's ends of the connections, by the port at the other end. */
const served = new Map<number, TcpSocket>()
http.on('connection', (tcp: TcpSocket) => served.set(tcp.remotePort as number, tcp))

const open: { close(): unknown }[] = []
afterEach(() => {
  for (const each of open.splice(0)) each.close()
})

async function connectPage() {
  const socket: Socket = io(address, { transports: ['websocket'], forceNew: true, reconnection: false })
  open.push(socket)
  const updates: PublicView[] = []
  socket.on('request:update', (view: PublicView) => updates.push(view))
  await new Promise<void>((resolve) => socket.once('connect', resolve))
  return {
    socket,
    updates,
    watch: (message: unknown): Promise<WatchResponse> =>
      socket.timeout(3000).emitWithAck('request:watch', message),
  }
}

let written = 0
/** A state of 300 kB, unlike any before; resolves once the server has made it one of ours. */
async function writeMuch(hash: string): Promise<void> {
  const message_params = { filler: 'x'.repeat(300_000), written: ++written }
  await foreignWrite(hash, { message_key: 'much', message_params })
  await eventually(async () => expect((await store.read(hash))?.record.message_params?.written).toBe(written))
}

async function openRaw(
  ...options: Parameters<typeof openWebSocket> extends [string, ...infer R] ? R : never
) {
  const raw = await openWebSocket(address, ...options)
  open.push(raw)
  return raw
}

const codeOf = (answer: WatchResponse) => (answer.ok ? 'ok' : answer.problem.code)

// Opened first and looked at last: it takes its time.
const mute = await openWebSocket(address, { join: false })
afterAll(() => mute.close())

describe('a socket may send', () => {
  test('the watches of all its 64 requests in one go, and then not much more', async () => {
    const hashes = await Promise.all(Array.from({ length: 64 }, () => given([START])))
    const { watch } = await connectPage()
    const again = Array<string | undefined>(100).fill(hashes[0])
    const answers = await Promise.all([...hashes, ...again].map((hash) => watch({ hash })))
    expect(answers.slice(0, 64).map(codeOf)).toEqual(Array(64).fill('ok'))
    expect(answers.at(-1)).toMatchObject({
      ok: false,
      problem: { code: 'rate_limited', status: 429, retryable: true },
    })
  })

  test('20 messages a second: what is over is refused and has no effect', async () => {
    const [kept, other] = [await given([START]), await given([START])]
    const { watch, socket, updates } = await connectPage()
    const begun = performance.now()
    expect(codeOf(await watch({ hash: kept }))).toBe('ok')
    const answers = Array.from({ length: 150 }, () => watch({ hash: kept }))
    answers.push(watch({ hash: other }))
    socket.emit('request:unwatch', { hash: kept })
    const codes = (await Promise.all(answers)).map(codeOf)
    const seconds = (performance.now() - begun) / 1000
    const good = codes.filter((code) => code === 'ok').length
    expect(good).toBeGreaterThanOrEqual(63)
    expect(good).toBeLessThanOrEqual(63 + Math.ceil(20 * seconds))
    expect(new Set(codes)).toEqual(new Set(['ok', 'rate_limited']))
    expect(codes.at(-1)).toBe('rate_limited')
    expect(await subscriptions(other)).toBe(0)
    await apply(kept, step(10))
    await eventually(() => expect(updates.map(({ hash }) => hash)).toEqual([kept]))
    // Patience helps.
    await eventually(async () => expect(codeOf(await watch({ hash: other }))).toBe('ok'), { everyMs: 50 })
  })

  test('nonsense now and then: one message of use makes up for what was before it', async () => {
    const hash = await given([START])
    const { watch, socket } = await connectPage()
    for (let round = 0; round < 3; round++) {
      for (let n = 0; n < 150; n++) socket.emit('no-such-event')
      await eventually(async () => expect(codeOf(await watch({ hash }))).toBe('ok'), { everyMs: 50 })
    }
    expect(socket.connected).toBe(true)
  })

  test('of requests that have all just expired: it asks for each, leaves each, twice over, and is still there', async () => {
    const hash = await given([START])
    const { watch, socket } = await connectPage()
    const gone = Array.from({ length: 64 }, () => aHash(Date.now() - TTL_SECONDS * 1000))
    for (let round = 0; round < 2; round++) {
      const codes = (await Promise.all(gone.map((hash) => watch({ hash })))).map(codeOf)
      expect([...new Set(codes)].sort()).toEqual(
        round === 0 ? ['request_expired'] : expect.arrayContaining(['rate_limited']),
      )
      for (const hash of gone) if (round === 0) socket.emit('request:unwatch', { hash })
    }
    await eventually(async () => expect(codeOf(await watch({ hash }))).toBe('ok'), { everyMs: 50 })
  })
})

describe('a socket is dropped that only', () => {
  const hash = aHash()
  const failures: Record<string, (socket: RawWebSocket, n: number) => void> = {
    'sends events that nobody knows': (socket) => socket.send('42["no-such-event",{"a":1}]'),
    'watches without wanting an answer': (socket) => socket.send(`42["request:watch",{"hash":"${hash}"}]`),
    'sends what cannot be read': (socket, n) => socket.send(`42${n}["request:watch",[[]]]`),
    'watches what never was': (socket, n) => socket.send(`42${n}["request:watch",{"hash":"${aHash()}"}]`),
    'leaves what it does not watch': (socket) => socket.send(`42["request:unwatch",{"hash":"${hash}"}]`),
    'joins namespaces that are not there': (socket, n) => socket.send(`40/n${n},`),
    'answers what nobody asked': (socket, n) => socket.send(`43${n}[1]`),
    'sends bytes': (socket) => {
      socket.send('451-["no-such-event",{"_placeholder":true,"num":0}]')
      socket.frame(OPCODE.binary, randomBytes(20))
    },
    'sends heartbeats': (socket) => socket.send('3'),
    'pings the WebSocket itself': (socket) => socket.frame(OPCODE.ping, ''),
  }
  for (const [what, fail] of Object.entries(failures)) {
    test(what, async () => {
      const page = await connectPage()
      const socket = await openRaw()
      for (let n = 0; n < 60; n++) fail(socket, n)
      const watched = await given([START])
      socket.send(`421000["request:watch",{"hash":"${watched}"}]`)
      // A good message between makes up for those before it.
      await eventually(() => expect(socket.heard()).toContain('431000[{"ok":true'))
      for (let n = 60; n < 400; n++) fail(socket, n)
      await socket.closed
      await eventually(async () => expect(await subscriptions(watched)).toBe(0))
      expect(codeOf(await page.watch({ hash: watched }))).toBe('ok')
    })
  }
})

describe('a connection is dropped', () => {
  test('that sends garbage', async () => {
    const garbage = [
      '',
      '9',
      'x',
      '2',
      '4',
      '49',
      '4x',
      '42[',
      '42{}',
      '42["disconnect"]',
      '44"no"',
      '4099[]',
      '451-[',
      '40',
    ]
    await Promise.all(
      garbage.map(async (text) => {
        const socket = await openRaw()
        socket.send(text)
        await socket.closed
      }),
    )
  })

  test('when it leaves: it cannot join again with new limits', async () => {
    const socket = await openRaw()
    socket.send('41')
    await socket.closed
  })

  test('that wants to become the transport of another one', async () => {
    const socket = await openRaw()
    const sid = /"sid":"([^"]+)"/.exec(socket.heard())?.[1]
    const second = openWebSocket(address, { query: `EIO=4&transport=websocket&sid=${sid}`, join: false })
    await expect(second).rejects.toThrow('400 Bad Request')
  })

  test('that does not answer the goodbye', async () => {
    const socket = await openRaw()
    // Its close frame is answered by nobody: the server ends it all the same.
    socket.send('42[')
    await eventually(() => expect(served.get(socket.port)?.destroyed).toBe(true))
  })

  test('that never joins', async () => {
    await mute.closed
  })
})

describe('a client that does not read', () => {
  test('is dropped before it costs much memory; one beside it hears everything', async () => {
    const hashes = await Promise.all(Array.from({ length: 64 }, () => given([START])))
    const page = await connectPage()
    const idle = await openRaw()
    for (const [n, hash] of hashes.entries()) {
      expect(codeOf(await page.watch({ hash }))).toBe('ok')
      idle.send(`42${n}["request:watch",{"hash":"${hash}"}]`)
    }
    for (const n of hashes.keys()) await eventually(() => expect(idle.heard()).toContain(`43${n}[{"ok":true`))
    idle.stopReading()
    const tcp = served.get(idle.port) as TcpSocket
    const result = { text: 'نتیجه '.repeat(15_000) }
    let most = 0
    for (const hash of hashes) {
      await applied(hash, step(50, 'پیام '.repeat(400)))
      await applied(hash, { type: 'complete', attempt: 1, result })
      most = Math.max(most, tcp.writableLength)
    }
    await eventually(() => expect(tcp.destroyed).toBe(true))
    expect(most).toBeLessThan(2 * 1024 * 1024)
    expect(tcp.writableLength).toBe(0)
    await eventually(() => expect(page.updates).toHaveLength(128))
    expect(page.updates.filter((view) => view.is_completed)).toHaveLength(64)
    page.socket.disconnect()
    await eventually(() => expect(live.size).toBe(0))
  })

  test('and only pings is dropped as well', async () => {
    const hash = await given([START])
    const socket = await openRaw()
    socket.send(`421["request:watch",{"hash":"${hash}"}]`)
    await eventually(() => expect(socket.heard()).toContain('431[{"ok":true'))
    socket.stopReading()
    const tcp = served.get(socket.port) as TcpSocket
    while (tcp.writableLength === 0) {
      await writeMuch(hash)
    }
    const ping = setInterval(() => socket.frame(OPCODE.ping, ''), 1)
    await eventually(() => expect(tcp.destroyed).toBe(true))
    clearInterval(ping)
  })

  test('its event stream is cut off too', async () => {
    const hash = await given([START])
    const { port, hostname } = new URL(address)
    const reader = connect(Number(port), hostname)
    open.push({ close: () => reader.destroy() })
    reader.on('error', () => {})
    reader.write(`GET /api/local-requests/${hash}/events HTTP/1.1\r\nHost: x\r\n\r\n`)
    await new Promise((resolve) => reader.once('data', resolve))
    reader.pause()
    const tcp = served.get(reader.localPort as number) as TcpSocket
    while (!tcp.destroyed) await writeMuch(hash)
    expect(tcp.writableLength).toBeLessThan(2 * 1024 * 1024)
    await eventually(() => expect(live.size).toBe(0))
  })
})
