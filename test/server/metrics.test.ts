/** What the server counts of its watchers and limits. */
import { io } from 'socket.io-client'
import { expect, test } from 'vitest'
import { createMetrics } from '../../core/runtime/metrics.ts'
import { cleanUp } from '../helpers/clean-up.ts'
import { eventually } from '../helpers/eventually.ts'
import { samplesOf, sumOf } from '../helpers/metrics.ts'
import { progressTo, START } from '../helpers/record.ts'
import { useRedis } from '../helpers/redis.ts'
import { useServer } from '../helpers/server.ts'

const metrics = createMetrics('server')
const { address, api, given, apply } = await useServer(await useRedis(), { metrics })

const counted = async (name: string, labels: Record<string, string>): Promise<number | undefined> =>
  sumOf(samplesOf(await metrics.scrape()), `halfway_${name}`, labels)
const watchers = (): Promise<(number | undefined)[]> =>
  Promise.all(
    ['websocket', 'event_stream', 'long_poll'].map((transport) => counted('watchers', { transport })),
  )

async function connect() {
  const socket = io(address, { transports: ['websocket'], forceNew: true, reconnection: false })
  cleanUp(() => void socket.disconnect())
  await new Promise<void>((resolve) => socket.once('connect', resolve))
  const received: unknown[] = []
  socket.on('request:update', (view) => received.push(view))
  return { socket, received }
}

test('a watch is counted by its transport while it is open', async () => {
  const [hash, other] = await Promise.all([given([START]), given([START])])
  const { socket } = await connect()
  for (const watched of [hash, other, hash]) await socket.emitWithAck('request:watch', { hash: watched })
  const abort = new AbortController()
  const { signal } = abort
  await fetch(`${address}/api/local-requests/${hash}/events`, { signal })
  const poll = fetch(`${address}/api/local-requests/${hash}/status?after=2&wait=25`, { signal })
  await eventually(async () => expect(await watchers()).toEqual([2, 1, 1]))
  socket.emit('request:unwatch', { hash: other })
  await eventually(async () => expect(await watchers()).toEqual([1, 1, 1]))
  socket.disconnect()
  abort.abort()
  await expect(poll).rejects.toThrow()
  await eventually(async () => expect(await watchers()).toEqual([0, 0, 0]))
})

test('an update is a delivery to each watcher, and its lag is measured once', async () => {
  const hash = await given([START])
  const clients = await Promise.all([connect(), connect(), connect()])
  for (const { socket } of clients) await socket.emitWithAck('request:watch', { hash })
  const transport = { transport: 'websocket' }
  const [before = 0, lagsBefore = 0] = [
    await counted('deliveries_total', transport),
    await counted('delivery_lag_seconds_count', transport),
  ]
  await apply(hash, progressTo(30))
  await eventually(() => expect(clients.map(({ received }) => received.length)).toEqual([1, 1, 1]))
  expect(await counted('deliveries_total', transport)).toBe(before + 3)
  expect(await counted('delivery_lag_seconds_count', transport)).toBe(lagsBefore + 1)
  expect(await counted('delivery_lag_seconds_sum', transport)).toBeLessThan(10)
})

test('a poll counts as a delivery unless nothing has changed', async () => {
  const path = `/api/local-requests/${await given([START])}/status`
  const polls = () => counted('deliveries_total', { transport: 'poll' })
  const before = (await polls()) ?? 0
  const { headers } = await api.get(path).expect(200)
  await api.get(path).set('If-None-Match', String(headers.etag)).expect(304)
  expect(await polls()).toBe(before + 1)
})

test('a message beyond the limit of a socket is counted', async () => {
  const { socket } = await connect()
  await Promise.all(Array.from({ length: 80 }, () => socket.emitWithAck('request:watch', {})))
  expect(await counted('rate_limits_hit_total', { limit: 'socket' })).toBeGreaterThan(0)
})

test('without METRICS_TOKEN the server’s own port knows no /metrics', async () => {
  await api.get('/metrics').expect(404)
})
