import { io, type Socket } from 'socket.io-client'
import { afterEach, describe, expect, test } from 'vitest'
import type { PublicView, RequestRecord } from '../../core/domain/record.ts'
import type { WatchResponse } from '../../server/socket-watches.ts'
import { eventually } from '../helpers/eventually.ts'
import { keys } from '../helpers/keys.ts'
import {
  aHash,
  aRecord,
  PRIVATE,
  progressTo,
  REQUIRE_OTP,
  START,
  TOO_LONG,
  TTL_SECONDS,
} from '../helpers/record.ts'
import { onRealRedis, useRedis } from '../helpers/redis.ts'
import { useRequests } from '../helpers/requests.ts'
import { useServer } from '../helpers/server.ts'

const testRedis = await useRedis()
const { client: redis, foreignWrite, subscriptions } = await useRequests(testRedis)
const { address, api, store, given, apply } = await useServer(testRedis)

const sockets: Socket[] = []
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.disconnect()
})

/** A client with a socket, and all events it received. */
async function connect() {
  const socket = io(address, { transports: ['websocket'], forceNew: true, reconnection: false })
  sockets.push(socket)
  const updates: PublicView[] = []
  const expired: string[] = []
  socket.on('request:update', (view: PublicView) => updates.push(view))
  socket.on('request:expired', ({ hash }: { hash: string }) => expired.push(hash))
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve)
    socket.once('connect_error', reject)
  })
  return {
    socket,
    updates,
    expired,
    watch: (message: unknown): Promise<WatchResponse> =>
      socket.timeout(3000).emitWithAck('request:watch', message),
    versions: (hash: string) => updates.filter((view) => view.hash === hash).map((view) => view.version),
  }
}

async function watched(answer: Promise<WatchResponse>): Promise<PublicView> {
  const given = await answer
  if (!given.ok) throw new Error(`refused: ${given.problem.code}`)
  return given.data
}

describe('watching', () => {
  test('a watch is acknowledged with the same view as the status call', async () => {
    const hash = await given([START, progressTo(40, 'Working…'), REQUIRE_OTP])
    const { watch } = await connect()
    const status = await api.get(`/api/local-requests/${hash}/status`)
    expect(await watch({ hash })).toEqual({ ok: true, data: status.body })
  })

  test('a watch receives newer states in order, throttled to the newest, and the final one', async () => {
    const hash = await given([START])
    const { watch, updates } = await connect()
    expect(await watched(watch({ hash }))).toMatchObject({ version: 2, progress: 0 })
    for (let n = 1; n <= 20; n++) await apply(hash, progressTo(n))
    await apply(hash, { type: 'complete', attempt: 1, result: { score: 712 } })
    await eventually(() => expect(updates.at(-1)?.version).toBe(23))
    const versions = updates.map((view) => view.version)
    expect(versions).toEqual([...new Set(versions)].sort((a, b) => a - b))
    expect(versions[0]).toBe(3)
    expect(updates.at(-1)).toMatchObject({ is_completed: true, progress: 100, result_data: { score: 712 } })
  })

  test('a watch ends on the newest state that was written while it started', async () => {
    for (let round = 0; round < 10; round++) {
      const hash = await given([START])
      const { watch, versions } = await connect()
      const writing = (async () => {
        for (let n = 1; n <= 30; n++) await apply(hash, progressTo(n))
      })()
      const first = await watched(watch({ hash }))
      await writing
      await eventually(() => expect([first.version, ...versions(hash)].at(-1)).toBe(32))
    }
  })

  test('a watch with a known version is acknowledged with the current state', async () => {
    const hash = await given([START])
    const { watch } = await connect()
    expect(await watched(watch({ hash, version: 2 }))).toMatchObject({ version: 2 })
  })

  test('watching a request twice delivers each update once', async () => {
    const hash = await given([START])
    const { watch, versions } = await connect()
    await Promise.all([watched(watch({ hash })), watched(watch({ hash })), watched(watch({ hash }))])
    await apply(hash, progressTo(10))
    await apply(hash, progressTo(20))
    await eventually(() => expect(versions(hash)).toContain(4))
    expect(versions(hash)).toEqual([3, 4])
  })

  test('many watchers of a request share one subscription and all receive updates', async () => {
    const hash = await given([START])
    const pages = await Promise.all(Array.from({ length: 8 }, connect))
    await Promise.all(pages.map((page) => watched(page.watch({ hash }))))
    expect(await subscriptions(hash)).toBe(1)
    await apply(hash, progressTo(10))
    for (const page of pages) await eventually(() => expect(page.versions(hash)).toEqual([3]))
  })

  test.each([
    ['short', 'ok'],
    ['in Persian', 'نتیجه‌ی درخواست '.repeat(20)],
    ['of more than 64 kB', 'x'.repeat(100_000)],
  ])('several watchers receive an identical update with a result that is %s', async (_which, result) => {
    const hash = await given([START])
    const pages = await Promise.all([connect(), connect(), connect()])
    for (const page of pages) await watched(page.watch({ hash }))
    await apply(hash, { type: 'complete', attempt: 1, result: { result } })
    const { body } = await api.get(`/api/local-requests/${hash}/status`)
    for (const { updates } of pages) await eventually(() => expect(updates).toEqual([body]))
  })

  test('a socket that watches several requests receives the updates of each', async () => {
    const [one, two] = [await given([START]), await given([START])]
    const { watch, versions } = await connect()
    await watched(watch({ hash: one }))
    await watched(watch({ hash: two }))
    await apply(two, progressTo(10))
    await apply(one, progressTo(10))
    await apply(one, progressTo(20))
    await eventually(() => expect([versions(one), versions(two)]).toEqual([[3, 4], [3]]))
  })

  test('a socket may watch at most 64 requests; an unwatch frees one', async () => {
    const hashes = await Promise.all(Array.from({ length: 65 }, () => given()))
    const { watch, socket } = await connect()
    const answers = await Promise.all(hashes.slice(0, 64).map((hash) => watch({ hash })))
    expect(answers.filter((answer) => answer.ok)).toHaveLength(64)
    // More messages at once would exceed the rate limit.
    const retry = { everyMs: 100 }
    await eventually(
      async () =>
        expect(await watch({ hash: hashes[64] })).toMatchObject({
          ok: false,
          problem: { code: 'rate_limited', status: 429, detail: 'A socket watches at most 64 requests.' },
        }),
      retry,
    )
    // Watching one of them again does not count as the 65th.
    await eventually(() => watched(watch({ hash: hashes[0] })), retry)
    await eventually(async () => {
      socket.emit('request:unwatch', { hash: hashes[0] })
      await watched(watch({ hash: hashes[64] }))
    }, retry)
  })
})

describe('a refused watch', () => {
  test('a watch of an unknown or expired request is refused with 404 or 410', async () => {
    const { watch } = await connect()
    for (const [hash, code, status] of [
      [aHash(), 'request_not_found', 404],
      ['req_some-other-program', 'request_not_found', 404],
      [aHash(Date.now() - TTL_SECONDS * 1000), 'request_expired', 410],
    ] as const) {
      const answer = await watch({ hash })
      expect(answer).toMatchObject({
        ok: false,
        problem: { code, status, type: `urn:halfway:problem:${code}` },
      })
      await eventually(async () => expect(await subscriptions(hash)).toBe(0))
    }
  })

  test('a malformed watch message is refused with a problem', async () => {
    const { watch } = await connect()
    for (const message of [null, 7, 'text', [], {}, { hash: 7 }, { hash: aHash(), version: 'latest' }]) {
      expect(await watch(message)).toMatchObject({
        ok: false,
        problem: { code: 'invalid_parameter', status: 400 },
      })
    }
    for (const hash of [
      '',
      'req_',
      'local_requests_list',
      '../../etc/passwd',
      `req_${'x'.repeat(65)}`,
      'req_*'.repeat(5),
    ]) {
      expect(await watch({ hash })).toMatchObject({ ok: false, problem: { code: 'request_not_found' } })
    }
  })

  test('a socket with refused and malformed messages can still watch a request', async () => {
    const hash = await given([START])
    const { watch, socket, versions } = await connect()
    await watch({ hash: aHash() })
    socket.emit('request:watch')
    socket.emit('request:watch', { hash })
    socket.emit('request:watch', { hash }, 'no function')
    socket.emit('request:unwatch')
    socket.emit('request:unwatch', { hash: 7 })
    socket.emit('no-such-event', { hash })
    await watched(watch({ hash }))
    await apply(hash, progressTo(10))
    await eventually(() => expect(versions(hash)).toEqual([3]))
  })

  test('an oversized message closes its socket and no other', async () => {
    const hash = await given([START])
    const [loud, other] = [await connect(), await connect()]
    await watched(other.watch({ hash }))
    const closed = new Promise((resolve) => loud.socket.once('disconnect', resolve))
    loud.socket.emit('request:watch', { hash, padding: 'x'.repeat(10_000) }, () => {})
    await closed
    await apply(hash, progressTo(10))
    await eventually(() => expect(other.versions(hash)).toEqual([3]))
  })
})

describe('records of other programs', () => {
  test('a foreign write is sent immediately as a newer version', async () => {
    const hash = await given([START, progressTo(40)])
    const { watch, updates } = await connect()
    await watched(watch({ hash }))
    await foreignWrite(hash, { progress: 55, current_message: 'From elsewhere' })
    await eventually(() =>
      expect(updates.at(-1)).toMatchObject({ progress: 55, current_message: 'From elsewhere' }),
    )
    expect(updates.at(-1)?.version).toBeGreaterThan(3)
  })

  test('a foreign write is sent without its private fields', async () => {
    const hash = await given([START])
    const { watch, updates, socket } = await connect()
    const received: string[] = []
    socket.io.engine.on('packet', ({ data }) => received.push(String(data)))
    await watched(watch({ hash }))
    await foreignWrite(hash, { progress: 55, otp: '424242', secret: 'of-another-program' })
    await foreignWrite(hash, { status: 'completed', result_data: { fine: true } })
    await eventually(() => expect(updates.at(-1)?.is_completed).toBe(true))
    for (const hidden of [
      ...Object.values(PRIVATE),
      '424242',
      'of-another-program',
      'request_data',
      'session_id',
    ]) {
      expect(received.join()).not.toContain(hidden)
    }
  })

  test('an invalid foreign message is ignored, and the next state arrives', async () => {
    const hash = await given([START])
    const { watch, versions } = await connect()
    await watched(watch({ hash }))
    for (const invalid of ['', 'not JSON', 'null', '[]', '{"status":"done"}', '{"progress":900}', TOO_LONG]) {
      await redis.publish(keys.channel(hash), invalid)
    }
    await apply(hash, progressTo(10))
    await eventually(() => expect(versions(hash)).toEqual([3]))
  })

  test('a foreign write with invalid values is sent within the limits of the record', async () => {
    const hash = await given([START, progressTo(40)])
    const { watch, updates } = await connect()
    await watched(watch({ hash }))
    await foreignWrite(hash, { progress: 900, steps: 'all', attempt: 'first', updated_at: 'yesterday' })
    await eventually(() => expect(updates).not.toHaveLength(0))
    await foreignWrite(hash, { progress: 3 })
    await eventually(() => expect(updates.length).toBeGreaterThan(1))
    for (const view of updates) expect(view).toMatchObject({ progress: 99, steps: expect.any(Array) })
  })

  test('a record replaced by an invalid value sends nothing, and watchers keep their state', async () => {
    const hash = await given([START])
    const { watch, updates, expired } = await connect()
    const other = await connect()
    await watched(watch({ hash }))
    await redis.setex(keys.record(hash), TTL_SECONDS, 'not JSON')
    await redis.publish(keys.channel(hash), 'not JSON')
    expect(await other.watch({ hash: await given() })).toMatchObject({ ok: true })
    const refused = await other.watch({ hash: aHash() })
    expect(refused.ok).toBe(false)
    expect([updates, expired]).toEqual([[], []])
  })
})

describe('the end of a request', () => {
  test('the expiry of a request is sent once and ends the watch', async () => {
    const hash = await given([], { now: Date.now() - TTL_SECONDS * 1000 + 1500 })
    const { watch, expired } = await connect()
    await watched(watch({ hash }))
    await eventually(() => expect(expired).toEqual([hash]))
    await eventually(async () => expect(await subscriptions(hash)).toBe(0))
    expect(await watch({ hash })).toMatchObject({ ok: false, problem: { code: 'request_expired' } })
  })

  test('a record deleted by another program is reported as expired at its expiry time', async () => {
    const hash = await given([], { now: Date.now() - TTL_SECONDS * 1000 + 1500 })
    const { watch, expired } = await connect()
    await watched(watch({ hash }))
    await redis.del(keys.record(hash))
    await eventually(() => expect(expired).toEqual([hash]))
  })

  test('a request whose final state extends its life is not reported as expired early', async () => {
    const now = Date.now() - TTL_SECONDS * 1000 + 2000
    const hash = await given([START], { now })
    const { watch, updates, expired } = await connect()
    const before = await watched(watch({ hash }))
    await apply(hash, { type: 'complete', attempt: 1, result: 1 })
    await eventually(() => expect(updates).toHaveLength(1))
    expect(Date.parse(updates[0]?.expires_at ?? '')).toBeGreaterThan(Date.now() + 1_700_000)
    await eventually(() => expect(Date.now()).toBeGreaterThan(Date.parse(before.expires_at) + 50))
    // A later acknowledgement on the same socket: every earlier event has arrived.
    await watched(watch({ hash }))
    expect(expired).toEqual([])
  })
})

describe('ending a watch', () => {
  test('an unwatch ends the updates and, for the last watcher, the subscription', async () => {
    const [left, kept] = [await given([START]), await given([START])]
    const page = await connect()
    const other = await connect()
    await Promise.all([watched(page.watch({ hash: left })), watched(page.watch({ hash: kept }))])
    await watched(other.watch({ hash: left }))
    page.socket.emit('request:unwatch', { hash: left })
    await watched(page.watch({ hash: kept }))
    await apply(left, progressTo(10))
    await eventually(() => expect(other.versions(left)).toEqual([3]))
    await apply(kept, progressTo(10))
    await eventually(() => expect(page.versions(kept)).toEqual([3]))
    expect(page.versions(left)).toEqual([])
    other.socket.emit('request:unwatch', { hash: left })
    await eventually(async () => expect(await subscriptions(left)).toBe(0))
  })

  test('a disconnect leaves no subscription', async () => {
    const hashes = await Promise.all(Array.from({ length: 5 }, () => given()))
    const { watch, socket } = await connect()
    await Promise.all(hashes.map((hash) => watched(watch({ hash }))))
    socket.disconnect()
    for (const hash of hashes) await eventually(async () => expect(await subscriptions(hash)).toBe(0))
  })

  test('a disconnect while a watch starts leaves no subscription', async () => {
    const hashes = await Promise.all(Array.from({ length: 20 }, () => given()))
    for (const hash of hashes) {
      const { socket } = await connect()
      socket.emit('request:watch', { hash }, () => {})
      // The message reaches the server before the close.
      socket.disconnect()
    }
    for (const hash of hashes) await eventually(async () => expect(await subscriptions(hash)).toBe(0))
  })

  test('a watcher that arrives as the last one leaves still receives updates', async () => {
    const hash = await given([START])
    let version = 2
    let last = await connect()
    await watched(last.watch({ hash }))
    for (let round = 0; round < 15; round++) {
      const next = await connect()
      const arriving = watched(next.watch({ hash }))
      last.socket.disconnect()
      await arriving
      await apply(hash, progressTo(round))
      version++
      await eventually(() => expect(next.versions(hash)).toEqual([version]))
      last = next
    }
  })
})

describe('the transport', () => {
  test('the Socket.IO polling transport is refused', async () => {
    const res = await fetch(`${address}/socket.io/?EIO=4&transport=polling`)
    expect(res.status).toBe(400)
    const socket = io(address, { transports: ['polling'], forceNew: true, reconnection: false })
    sockets.push(socket)
    await new Promise((resolve) => socket.once('connect_error', resolve))
    expect(socket.connected).toBe(false)
  })

  test('no Socket.IO client script is served', async () => {
    expect((await fetch(`${address}/socket.io/socket.io.js`)).status).toBe(400)
  })
})

describe.runIf(onRealRedis)('when the connection to Redis breaks', () => {
  test('updates written during a broken Redis connection arrive, and so do later ones', async () => {
    const hash = await given([START])
    const { watch, updates } = await connect()
    await watched(watch({ hash }))
    for (let round = 1; round <= 3; round++) {
      await redis.call('CLIENT', 'KILL', 'TYPE', 'pubsub')
      await apply(hash, progressTo(round * 20, `before it is back, ${round}`))
      await eventually(() => expect(updates.at(-1)?.progress).toBe(round * 20))
      await eventually(async () => expect(await subscriptions(hash)).toBe(1))
      await apply(hash, progressTo(round * 20 + 10))
      await eventually(() => expect(updates.at(-1)?.progress).toBe(round * 20 + 10))
    }
    const versions = updates.map((view) => view.version)
    expect(versions).toEqual([...new Set(versions)].sort((a, b) => a - b))
  })

  test('a watch while Redis is down is refused as retryable, and works once Redis is back', async () => {
    const { watch } = await connect()
    await testRedis.stop()
    expect(await watch({ hash: aHash() })).toMatchObject({
      ok: false,
      problem: { code: 'storage_unavailable', status: 503, retryable: true },
    })
    await testRedis.restart()
    const record: RequestRecord = aRecord()
    await eventually(async () => void (await store.create(record)))
    await eventually(async () => expect(await watch({ hash: record.hash })).toMatchObject({ ok: true }))
  })
})
