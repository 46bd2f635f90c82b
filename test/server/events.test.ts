import { setMaxListeners } from 'node:events'
import { createServer } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import express from 'express'
import { describe, expect, test } from 'vitest'
import type { PublicView } from '../../core/domain/record.ts'
import { createEventStream } from '../../server/routes/events.ts'
import { eventually } from '../helpers/eventually.ts'
import { keys } from '../helpers/keys.ts'
import { aHash, PRIVATE, progressTo, START, TTL_SECONDS } from '../helpers/record.ts'
import { onRealRedis, useRedis } from '../helpers/redis.ts'
import { useRequests } from '../helpers/requests.ts'
import { useServer } from '../helpers/server.ts'

const testRedis = await useRedis()
const { client: redis, channels, foreignWrite } = await useRequests(testRedis)
const server = await useServer(testRedis)
const { address, api, watcher, given, apply } = server

const COMPLETE = { type: 'complete', attempt: 1, result: { score: 712 } } as const
const eventsUrl = (hash: string): string => `/api/local-requests/${hash}/events`

interface ReceivedEvent {
  event: string
  id?: string
  data: string
}

/** Opens the stream as an EventSource does and reads it chunk by chunk. */
async function open(hash: string, { lastEventId, at = address }: { lastEventId?: string; at?: string } = {}) {
  const abort = new AbortController()
  const res = await fetch(at + eventsUrl(hash), {
    headers: { Accept: 'text/event-stream', ...(lastEventId && { 'Last-Event-ID': lastEventId }) },
    signal: abort.signal,
  })
  let text = ''
  const ended = (async () => {
    for await (const chunk of res.body ?? []) text += Buffer.from(chunk).toString()
  })()
  ended.catch(() => {})
  const events = (): ReceivedEvent[] =>
    text
      .split('\n\n')
      .slice(0, -1)
      .filter((block) => block.startsWith('event:'))
      .map(
        (block) =>
          Object.fromEntries(
            block.split('\n').map((line) => line.split(/: (.*)/s) as [string, string]),
          ) as never,
      )
  return {
    res,
    events,
    views: (): PublicView[] => events().map(({ data }) => JSON.parse(data)),
    text: () => text,
    /** Resolves when the server has ended the stream. */
    ended,
    close: () => abort.abort(),
  }
}

describe('the event stream', () => {
  test('an event stream starts with the current state and sends newer ones, throttled to the newest', async () => {
    const hash = await given([START])
    const stream = await open(hash)
    expect(stream.res.status).toBe(200)
    expect(Object.fromEntries(stream.res.headers)).toMatchObject({
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store',
    })
    for (let n = 1; n <= 10; n++) await apply(hash, progressTo(n))
    await eventually(() => expect(stream.views().at(-1)).toMatchObject({ version: 12, progress: 10 }))
    const versions = stream.views().map((view) => view.version)
    expect(versions.slice(0, 2)).toEqual([2, 3])
    expect(versions).toEqual([...new Set(versions)].sort((a, b) => a - b))
    expect(stream.events().map(({ event, id }) => [event, id])).toEqual(
      versions.map((version) => ['update', String(version)]),
    )
    stream.close()
  })

  test('an event stream sends the same view as the status call', async () => {
    const hash = await given([START, progressTo(30, 'Working…\n\nin two lines')])
    const stream = await open(hash)
    await eventually(() => expect(stream.events()).toHaveLength(1))
    expect(stream.views()[0]).toEqual((await api.get(`/api/local-requests/${hash}/status`)).body)
    stream.close()
  })

  test('an event stream ends after the final state', async () => {
    const hash = await given([START])
    const stream = await open(hash)
    await apply(hash, progressTo(50))
    await apply(hash, COMPLETE)
    await stream.ended
    expect(stream.views().at(-1)).toMatchObject({ is_completed: true, result_data: { score: 712 } })
    expect(stream.events().at(-1)?.id).toBe('4')
  })

  test('the event stream of an ended request sends the final state and ends', async () => {
    const hash = await given([START, COMPLETE])
    const stream = await open(hash)
    await stream.ended
    expect(stream.views()).toMatchObject([{ is_completed: true }])
  })

  test('an event stream sends the record of another program immediately, without private fields', async () => {
    const hash = await given([START])
    const stream = await open(hash)
    await foreignWrite(hash, { progress: 66 })
    await eventually(() => expect(stream.views().at(-1)?.progress).toBe(66))
    for (const hidden of [...Object.values(PRIVATE), 'request_data'])
      expect(stream.text()).not.toContain(hidden)
    stream.close()
  })

  test('an event stream sends expired when the record expires, and ends', async () => {
    const hash = await given([], { now: Date.now() - TTL_SECONDS * 1000 + 1000 })
    const stream = await open(hash)
    await stream.ended
    expect(stream.events().at(-1)).toEqual({ event: 'expired', data: JSON.stringify({ hash }) })
  })

  test('many concurrent event streams each get every event, without a listener warning', async () => {
    const warnings: Error[] = []
    const warn = (warning: Error) => void warnings.push(warning)
    process.on('warning', warn)
    const hash = await given([START])
    const streams = await Promise.all(Array.from({ length: 20 }, () => open(hash)))
    await apply(hash, progressTo(50))
    await apply(hash, COMPLETE)
    for (const stream of streams) {
      await stream.ended
      expect(stream.events().map(({ id }) => id)).toEqual(['2', '3', '4'])
    }
    process.off('warning', warn)
    expect(warnings).toEqual([])
  })
})

describe('a reconnecting reader', () => {
  test('a reconnecting reader gets only states newer than its Last-Event-ID', async () => {
    const hash = await given([START, progressTo(10)])
    const stream = await open(hash, { lastEventId: '3' })
    await apply(hash, progressTo(20))
    await eventually(() => expect(stream.events().map(({ id }) => id)).toEqual(['4']))
    stream.close()
  })

  test('a reconnecting reader that missed states gets the newest one, and the current one for an invalid Last-Event-ID', async () => {
    const hash = await given([START, progressTo(10), progressTo(20)])
    for (const lastEventId of ['2', 'nonsense', '-1']) {
      const stream = await open(hash, { lastEventId })
      await eventually(() => expect(stream.events().map(({ id }) => id)).toEqual(['4']))
      stream.close()
    }
  })

  test('a reader that reconnects after the final state gets 204, which ends its reconnects', async () => {
    const hash = await given([START, COMPLETE])
    const { res } = await open(hash, { lastEventId: '3' })
    expect(res.status).toBe(204)
  })
})

describe('a refused event stream', () => {
  test('the event stream of an unknown request is 404, of an expired one 410', async () => {
    for (const [hash, status, code] of [
      [aHash(), 404, 'request_not_found'],
      [aHash(Date.now() - TTL_SECONDS * 1000), 410, 'request_expired'],
      ['req_short', 404, 'request_not_found'],
    ] as const) {
      const res = await api.get(eventsUrl(hash)).set('Accept', 'text/event-stream').expect(status)
      expect(res.headers['content-type']).toMatch(/^application\/problem\+json/)
      expect(JSON.parse(res.text || JSON.stringify(res.body))).toMatchObject({ status, code })
    }
  })

  test('the event stream refuses methods other than GET; HEAD is answered without an open stream', async () => {
    const hash = await given([START])
    const res = await api.post(eventsUrl(hash)).expect(405)
    expect(res.headers.allow).toBe('GET, HEAD')
    const head = await api.head(eventsUrl(hash)).expect(200)
    expect(head.headers['content-type']).toMatch(/^text\/event-stream/)
    await eventually(() => expect(watcher.size).toBe(0))
  })
})

describe('an open event stream', () => {
  test('an idle event stream is kept alive by comments', async () => {
    const app = express()
    const { signal } = new AbortController()
    app.get(
      '/api/local-requests/:hash/events',
      createEventStream({ watcher, health: channels.health, stopping: signal, heartbeatMs: 20 }),
    )
    const http = createServer(app)
    await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
    const hash = await given([START])
    const stream = await open(hash, { at: `http://127.0.0.1:${(http.address() as AddressInfo).port}` })
    await eventually(() => expect(stream.text().match(/^: still here$/gm)?.length).toBeGreaterThan(2))
    expect(stream.events()).toHaveLength(1)
    stream.close()
    await new Promise((resolve) => http.close(resolve))
  })

  test('an event stream ends its subscription when the reader disconnects, at any moment', async () => {
    const hash = await given([START])
    const streams = await Promise.all(Array.from({ length: 3 }, () => open(hash)))
    for (const stream of streams) stream.close()
    for (let n = 0; n < 10; n++) {
      const abort = new AbortController()
      const opening = fetch(address + eventsUrl(await given([START])), { signal: abort.signal }).catch(
        () => null,
      )
      // Once the server is subscribing, before it has answered.
      await eventually(() => expect(watcher.size).toBeGreaterThan(0), { everyMs: 0 })
      abort.abort()
      await opening
    }
    await eventually(async () => {
      const channels = await redis.call('PUBSUB', 'CHANNELS', keys.channel('*'))
      expect({ followed: watcher.size, channels }).toEqual({ followed: 0, channels: [] })
    })
  })

  test.runIf(onRealRedis)(
    'an event stream survives a broken connection to Redis and sends the newest state',
    async () => {
      const hash = await given([START])
      const stream = await open(hash)
      await redis.call('CLIENT', 'KILL', 'TYPE', 'pubsub')
      await apply(hash, progressTo(50))
      await eventually(() => expect(stream.views().at(-1)?.progress).toBe(50))
      stream.close()
    },
  )

  test('an ended event stream sends no heartbeat to a slow reader', async () => {
    const app = express()
    const errors: unknown[] = []
    const never = new AbortController().signal
    setMaxListeners(0, never)
    app.use((_req, res, next) => {
      res.on('error', (error) => errors.push(error))
      next()
    })
    app.get(
      '/api/local-requests/:hash/events',
      createEventStream({ watcher, health: channels.health, stopping: never, heartbeatMs: 1 }),
    )
    const http = createServer(app)
    await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
    const { port } = http.address() as AddressInfo
    const hashes = await Promise.all(Array.from({ length: 50 }, () => given([START])))
    // One connection requests all streams and reads none, so each end waits for the previous one.
    const reader = connect(port, '127.0.0.1')
    reader.pause()
    for (const hash of hashes) reader.write(`GET ${eventsUrl(hash)} HTTP/1.1\r\nHost: x\r\n\r\n`)
    await eventually(() => expect(watcher.size).toBeGreaterThan(5))
    for (const hash of hashes) await apply(hash, { ...COMPLETE, result: 'x'.repeat(250_000) })
    await eventually(() => expect(watcher.size).toBe(0))
    expect(errors).toEqual([])
    reader.destroy()
    await new Promise((resolve) => http.close(resolve))
  })

  test('an event stream ends when the server stops', async () => {
    const other = await useServer(testRedis)
    const stream = await open(await given([START]), { at: other.address })
    await other.stop()
    await stream.ended
    expect(stream.views()).toHaveLength(1)
  })
})
