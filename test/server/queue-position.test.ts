/** The queue position in status, long poll, event stream and socket. */
import { io, type Socket } from 'socket.io-client'
import { afterEach, describe, expect, it } from 'vitest'
import type { PublicView } from '../../core/domain/record.ts'
import { createQueuePositions } from '../../core/queue/queue-positions.ts'
import { eventually } from '../helpers/eventually.ts'
import { aHash, START } from '../helpers/record.ts'
import { useRedis } from '../helpers/redis.ts'
import { CREDIT_SCORE, useServer } from '../helpers/server.ts'
import { catalog } from '../helpers/services.ts'

const redis = await useRedis()
const { address, api, apply, watcher } = await useServer(redis)

const closing: (() => void)[] = []
afterEach(async () => {
  for (const close of closing.splice(0)) close()
  await eventually(() => expect(watcher.size).toBe(0))
})

async function submit(): Promise<{ hash: string; queue_position: number }> {
  return (await api.post('/api/local-requests').send(CREDIT_SCORE).expect(202)).body
}
const callOf = (hash: string, call: string): string => `/api/local-requests/${hash}/${call}`

/** A socket that watches the request: the queue positions of the acknowledgement and of each update. */
async function watchBySocket(hash: string): Promise<(number | null)[]> {
  const socket: Socket = io(address, { transports: ['websocket'], forceNew: true })
  closing.push(() => socket.disconnect())
  const views: (number | null)[] = []
  socket.on('request:update', (view: PublicView) => views.push(view.queue_position))
  const { data } = await socket.timeout(5000).emitWithAck('request:watch', { hash })
  views.unshift(data.queue_position)
  return views
}

async function watchByStream(hash: string): Promise<() => (number | null)[]> {
  const abort = new AbortController()
  closing.push(() => abort.abort())
  const res = await fetch(address + callOf(hash, 'events'), { signal: abort.signal })
  let text = ''
  const read = async (): Promise<void> => {
    for await (const chunk of res.body ?? []) text += Buffer.from(chunk).toString()
  }
  read().catch(() => {})
  return () => [...text.matchAll(/^data: (.*)$/gm)].map(([, json]) => JSON.parse(json ?? '').queue_position)
}

describe('the queue position', () => {
  it('the queue position is the same in status, socket, event stream and long poll, and is updated there', async () => {
    const first = await submit()
    const { hash, queue_position: place } = await submit()
    expect(place).toBeGreaterThan(first.queue_position)

    const [socket, stream] = [await watchBySocket(hash), await watchByStream(hash)]
    const longPoll = await api.get(callOf(hash, 'status?after=0&wait=5')).expect(200)
    const status = await api.get(callOf(hash, 'status')).expect(200)
    await eventually(() => expect(stream()).toEqual([place]))
    expect([socket, longPoll.body.queue_position, status.body.queue_position]).toEqual([
      [place],
      place,
      place,
    ])

    await api.post(callOf(first.hash, 'cancel')).expect(200)
    const moved = await api.get(callOf(hash, 'status')).expect(200)
    expect(moved.body).toMatchObject({ version: status.body.version, queue_position: place - 1 })
    await eventually(() => expect(socket).toEqual([place, place - 1]))
    await eventually(() => expect(stream()).toEqual([place, place - 1]))
    await api
      .get(callOf(hash, 'status?after=0&wait=5'))
      .expect(({ body }) => expect(body.queue_position).toBe(place - 1))
  })

  it('a long poll returns as soon as the queue position changes', async () => {
    const first = await submit()
    const { hash, queue_position: place } = await submit()
    const { etag } = (await api.get(callOf(hash, 'status')).expect(200)).headers
    const waiting = [
      api.get(callOf(hash, 'status?after=1&wait=20')),
      api.get(callOf(hash, 'status?wait=20')).set('If-None-Match', etag as string),
    ].map((call) => call.then(({ status, body }) => [status, body.version, body.queue_position]))
    await eventually(() => expect(watcher.size).toBe(1))
    await api.post(callOf(first.hash, 'cancel')).expect(200)
    expect(await Promise.all(waiting)).toEqual([
      [200, 1, place - 1],
      [200, 1, place - 1],
    ])
  })

  it('a long poll with the ETag of an earlier queue position returns immediately', async () => {
    const first = await submit()
    const { hash, queue_position: place } = await submit()
    const { etag } = (await api.get(callOf(hash, 'status')).expect(200)).headers
    await api.post(callOf(first.hash, 'cancel')).expect(200)
    const startedAt = performance.now()
    const { body } = await api
      .get(callOf(hash, 'status?wait=20'))
      .set('If-None-Match', etag as string)
      .expect(200)
    expect(body.queue_position).toBe(place - 1)
    // Long before the end of the wait.
    expect(performance.now() - startedAt).toBeLessThan(10_000)
  })

  it('a long poll without the current version returns the newer version with its queue position', async () => {
    const { hash } = await submit()
    const waiting = api.get(callOf(hash, 'status?after=1&wait=20')).then(({ body }) => body)
    await apply(hash, START)
    expect(await waiting).toMatchObject({ version: 2, queue_position: null })
  })
})

describe('watching queue positions', () => {
  it('queue positions of all watched requests are read together, and not at all without a watcher', async () => {
    const queries: string[] = []
    const queuePositions = createQueuePositions({
      catalog,
      queues: {
        async position(hash) {
          queries.push(hash)
          return queries.length
        },
      },
    })
    const view = {
      hash: aHash(),
      status: 'pending',
      service_slug: 'credit-score-rating',
      run_at: null,
    } as const
    const moves: (number | null | undefined)[] = []
    const stops = [1, 2, 3].map(() =>
      queuePositions.follow({ ...view, hash: aHash() }, (waiting) => moves.push(waiting?.position)),
    )
    await eventually(() => expect(moves).toEqual([1, 2, 3]))
    for (const stop of stops) stop()
    const later = queuePositions.follow(view, () => {})
    await eventually(() => expect(queries).toContain(view.hash))
    later()
    expect(queries).toHaveLength(4)
  })
})
