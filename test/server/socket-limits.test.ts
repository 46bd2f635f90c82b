import { randomBytes } from 'node:crypto'
import { connect, type Socket as TcpSocket } from 'node:net'
import * as fc from 'fast-check'
import { io, type Socket } from 'socket.io-client'
import { afterAll, afterEach, describe, expect, test } from 'vitest'
import type { PublicView } from '../../core/domain/record.ts'
import type { WatchResponse } from '../../server/socket-watches.ts'
import { eventually } from '../helpers/eventually.ts'
import { OPCODE, openWebSocket, type RawWebSocket } from '../helpers/raw-websocket.ts'
import { aHash, progressTo, START, TTL_SECONDS } from '../helpers/record.ts'
import { useRedis } from '../helpers/redis.ts'
import { useRequests } from '../helpers/requests.ts'
import { useServer } from '../helpers/server.ts'

const testRedis = await useRedis()
const { foreignWrite, subscriptions, applyCommand } = await useRequests(testRedis)
const { address, http, watcher, store, given, apply } = await useServer(testRedis)

/** The server's sides of the connections, by client port. */
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
/** Writes a new foreign state of 300 kB; resolves once the server has adopted it. */
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

// Opened first and checked last, because its timeout is long.
const mute = await openWebSocket(address, { join: false })
afterAll(() => mute.close())

describe('the message limit of a socket', () => {
  test('a socket may watch its 64 requests at once, and is rate-limited after that', async () => {
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

  test('a socket may send 20 messages a second; further ones are refused without effect', async () => {
    const [kept, other] = [await given([START]), await given([START])]
    const { watch } = await connectPage()
    const startedAt = performance.now()
    expect(codeOf(await watch({ hash: kept }))).toBe('ok')
    const answers = Array.from({ length: 150 }, () => watch({ hash: kept }))
    answers.push(watch({ hash: other }))
    const codes = (await Promise.all(answers)).map(codeOf)
    const seconds = (performance.now() - startedAt) / 1000
    const good = codes.filter((code) => code === 'ok').length
    expect(good).toBeGreaterThanOrEqual(63)
    expect(good).toBeLessThanOrEqual(63 + Math.ceil(20 * seconds))
    expect(new Set(codes)).toEqual(new Set(['ok', 'rate_limited']))
    expect(codes.at(-1)).toBe('rate_limited')
    expect(await subscriptions(other)).toBe(0)
    // The bucket refills.
    await eventually(async () => expect(codeOf(await watch({ hash: other }))).toBe('ok'), { everyMs: 50 })
  })

  test('an unwatch beyond the limit has no effect', async () => {
    const hash = await given([START])
    const { watch, socket, updates } = await connectPage()
    // Where the machine is so slow that the bucket refills meanwhile, the unwatch is within the limit: then once more.
    await eventually(async () => {
      expect(codeOf(await watch({ hash }))).toBe('ok')
      const answers = Array.from({ length: 150 }, () => watch({ hash }))
      socket.emit('request:unwatch', { hash })
      await Promise.all(answers)
      expect(await subscriptions(hash)).toBe(1)
    })
    await apply(hash, progressTo(10))
    await eventually(() => expect(updates.map((update) => update.hash)).toEqual([hash]))
  })

  test("one successful message resets the count of a socket's failures", async () => {
    const hash = await given([START])
    const { watch, socket } = await connectPage()
    for (let round = 0; round < 3; round++) {
      for (let n = 0; n < 150; n++) socket.emit('no-such-event')
      await eventually(async () => expect(codeOf(await watch({ hash }))).toBe('ok'), { everyMs: 50 })
    }
    expect(socket.connected).toBe(true)
  })

  test('a socket may watch and unwatch 64 expired requests twice without being disconnected', async () => {
    const hash = await given([START])
    const { watch, socket } = await connectPage()
    const expired = Array.from({ length: 64 }, () => aHash(Date.now() - TTL_SECONDS * 1000))
    for (let round = 0; round < 2; round++) {
      const codes = (await Promise.all(expired.map((hash) => watch({ hash })))).map(codeOf)
      expect([...new Set(codes)].sort()).toEqual(
        round === 0 ? ['request_expired'] : expect.arrayContaining(['rate_limited']),
      )
      for (const hash of expired) if (round === 0) socket.emit('request:unwatch', { hash })
    }
    await eventually(async () => expect(codeOf(await watch({ hash }))).toBe('ok'), { everyMs: 50 })
  })
})

describe('a socket with only failures', () => {
  const hash = aHash()
  const failures: Record<string, (socket: RawWebSocket, n: number) => void> = {
    'sends unknown events': (socket) => socket.send('42["no-such-event",{"a":1}]'),
    'watches without an acknowledgement': (socket) => socket.send(`42["request:watch",{"hash":"${hash}"}]`),
    'sends malformed watch messages': (socket, n) => socket.send(`42${n}["request:watch",[[]]]`),
    'watches unknown requests': (socket, n) => socket.send(`42${n}["request:watch",{"hash":"${aHash()}"}]`),
    'unwatches requests it does not watch': (socket) =>
      socket.send(`42["request:unwatch",{"hash":"${hash}"}]`),
    'joins unknown namespaces': (socket, n) => socket.send(`40/n${n},`),
    'sends unrequested acknowledgements': (socket, n) => socket.send(`43${n}[1]`),
    'sends binary events': (socket) => {
      socket.send('451-["no-such-event",{"_placeholder":true,"num":0}]')
      socket.frame(OPCODE.binary, randomBytes(20))
    },
    'sends Engine.IO heartbeats': (socket) => socket.send('3'),
    'sends WebSocket pings': (socket) => socket.frame(OPCODE.ping, ''),
    'sends WebSocket pongs': (socket) => socket.frame(OPCODE.pong, ''),
  }
  for (const [what, fail] of Object.entries(failures)) {
    test(`a socket that only ${what} is closed`, async () => {
      const page = await connectPage()
      const socket = await openRaw()
      for (let n = 0; n < 60; n++) fail(socket, n)
      const watched = await given([START])
      socket.send(`421000["request:watch",{"hash":"${watched}"}]`)
      // A success resets the count of failures.
      await eventually(() => expect(socket.received()).toContain('431000[{"ok":true'))
      for (let n = 60; n < 400; n++) fail(socket, n)
      await socket.closed
      await eventually(async () => expect(await subscriptions(watched)).toBe(0))
      expect(codeOf(await page.watch({ hash: watched }))).toBe('ok')
    })
  }
})

describe('a misbehaving connection', () => {
  test('a connection that sends malformed packets is closed', async () => {
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

  test('a connection that leaves the namespace is closed, so that rejoining does not reset its limits', async () => {
    const socket = await openRaw()
    socket.send('41')
    await socket.closed
  })

  test('a connection that joins the namespace twice at once is closed, and the server goes on', async () => {
    const other = await connectPage()
    const raw = await openRaw({ join: false })
    raw.send('40', '40')
    await raw.closed
    expect(await other.watch({ hash: await given([START]) })).toMatchObject({ ok: true })
  })

  test('no sequence of packets harms the server', async () => {
    const hash = await given([START])
    const packets = [
      ...['', '0', '1', '2', '3', '5', '6', 'b4AAAA', '4', '40', '40/x,', '40{"pid":"x","offset":"y"}', '41', '41/x,'],
      ...['42/x,["a"]', '42["disconnect"]', '42["connect"]', '42["__proto__"]', '420["request:watch",null]'],
      ...[`420["request:watch",{"hash":"${hash}"}]`, '42["request:unwatch"]', '43["x"]', '430["x"]', '44{"message":"x"}'],
      ...['451-["x",{"_placeholder":true,"num":0}]', '461-0[{"_placeholder":true,"num":0}]'],
    ] // biome-ignore format: a list
    const sequence = fc.array(fc.constantFrom(...packets), { minLength: 1, maxLength: 6 })
    const property = fc.asyncProperty(sequence, sequence, fc.boolean(), async (first, second, join) => {
      const raw = await openWebSocket(address, { join })
      raw.send(...first)
      raw.send(...second)
      raw.frame(OPCODE.ping, 'all read')
      await eventually(() => expect(raw.received()).toMatch(/all read|\x88/), { everyMs: 1 })
      raw.close()
    })
    // An uncaught exception of the server fails the run.
    await fc.assert(property, { numRuns: 500 })
    expect(await (await connectPage()).watch({ hash })).toMatchObject({ ok: true })
  })

  test("a connection that asks to change another one's transport is refused", async () => {
    const socket = await openRaw()
    const sid = /"sid":"([^"]+)"/.exec(socket.received())?.[1]
    const second = openWebSocket(address, { query: `EIO=4&transport=websocket&sid=${sid}`, join: false })
    await expect(second).rejects.toThrow('400 Bad Request')
  })

  test('a connection that ignores the closing handshake is closed', async () => {
    const socket = await openRaw()
    // The client ignores the server's close frame: the server closes the connection all the same.
    socket.send('42[')
    await eventually(() => expect(served.get(socket.port)?.destroyed).toBe(true))
  })

  test('a connection that never joins the namespace is closed', async () => {
    await mute.closed
  })
})

describe('a client that does not read', () => {
  test('a socket that does not read is closed before it uses much memory; others receive everything', async () => {
    const hashes = await Promise.all(Array.from({ length: 64 }, () => given([START])))
    const page = await connectPage()
    const idle = await openRaw()
    for (const [n, hash] of hashes.entries()) {
      expect(codeOf(await page.watch({ hash }))).toBe('ok')
      idle.send(`42${n}["request:watch",{"hash":"${hash}"}]`)
    }
    for (const n of hashes.keys())
      await eventually(() => expect(idle.received()).toContain(`43${n}[{"ok":true`))
    idle.stopReading()
    const tcp = served.get(idle.port) as TcpSocket
    const result = { text: 'نتیجه '.repeat(15_000) }
    let max = 0
    for (const hash of hashes) {
      await applyCommand(hash, progressTo(50, 'پیام '.repeat(400)))
      await applyCommand(hash, { type: 'complete', attempt: 1, result })
      max = Math.max(max, tcp.writableLength)
    }
    await eventually(() => expect(tcp.destroyed).toBe(true))
    expect(max).toBeLessThan(2 * 1024 * 1024)
    expect(tcp.writableLength).toBe(0)
    await eventually(() => expect(page.updates).toHaveLength(128))
    expect(page.updates.filter((view) => view.is_completed)).toHaveLength(64)
    page.socket.disconnect()
    await eventually(() => expect(watcher.size).toBe(0))
  })

  test('a socket that sends pings without reading the pongs is closed', async () => {
    const hash = await given([START])
    const socket = await openRaw()
    socket.send(`421["request:watch",{"hash":"${hash}"}]`)
    await eventually(() => expect(socket.received()).toContain('431[{"ok":true'))
    socket.stopReading()
    const tcp = served.get(socket.port) as TcpSocket
    while (tcp.writableLength === 0) {
      await writeMuch(hash)
    }
    const ping = setInterval(() => socket.frame(OPCODE.ping, ''), 1)
    await eventually(() => expect(tcp.destroyed).toBe(true))
    clearInterval(ping)
  })

  test('an event stream that is not read is closed', async () => {
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
    await eventually(() => expect(watcher.size).toBe(0))
  })
})
