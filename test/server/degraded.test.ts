/** A server that loses Redis, and its watchers meanwhile. */
import { io, type Socket } from 'socket.io-client'
import { afterAll, describe, expect, it } from 'vitest'
import { isFinal, toPublicView } from '../../core/domain/record.ts'
import { connect } from '../../public/connection/connect.ts'
import { type Connection, firstState, reduce } from '../../public/reducer.ts'
import { eventually } from '../helpers/eventually.ts'
import { progressTo, START } from '../helpers/record.ts'
import { useRedis } from '../helpers/redis.ts'
import { useServer } from '../helpers/server.ts'
import { startTcpProxy, type TcpProxy } from '../helpers/tcp-proxy.ts'

// The browser globals that public/connection/connect.ts uses.
Object.defineProperty(globalThis, 'navigator', { value: { onLine: true }, configurable: true })

const WITHIN = { withinMs: 8000 }
const NOWHERE = { host: '127.0.0.1', port: 1 }

const redis = await useRedis()
const real = await useServer(redis)
const url = new URL(redis.url)
const target =
  url.protocol === 'unix:' ? { path: url.pathname } : { host: url.hostname, port: Number(url.port) }
const proxy: TcpProxy = await startTcpProxy(target)
const password = url.password && `:${url.password}@`
const server = await useServer(
  { ...redis, url: `redis://${password}127.0.0.1:${proxy.port}` },
  { settings: { REDIS_COMMAND_TIMEOUT_MS: '700' } },
)

const closing: (() => void)[] = []
afterAll(() => {
  for (const close of closing) close()
})

/** The service events that a socket receives. */
function listen(): { socket: Socket; events: string[] } {
  const socket = io(server.address, { transports: ['websocket'], forceNew: true })
  closing.push(() => socket.disconnect())
  const events: string[] = []
  socket.on('service:degraded', () => events.push('degraded'))
  socket.on('service:restored', () => events.push('restored'))
  return { socket, events }
}

async function openStream(hash: string): Promise<{ text: () => string }> {
  const abort = new AbortController()
  closing.push(() => abort.abort())
  const res = await fetch(`${server.address}/api/local-requests/${hash}/events`, { signal: abort.signal })
  let text = ''
  const read = async (): Promise<void> => {
    for await (const chunk of res.body ?? []) text += Buffer.from(chunk).toString()
  }
  read().catch(() => {})
  return { text: () => text }
}

/** A page's connection to the server, and the states it reports. */
async function openPage(hash: string, at = server.address) {
  const stored = await real.store.read(hash)
  if (!stored) throw new Error('there is no such request')
  let state = firstState(toPublicView(stored.record, Date.now()), Date.now())
  const events: Connection[] = []
  const connection = connect({
    hash,
    statusUrl: `${at}/api/local-requests/${hash}/status`,
    isMultiplexed: true,
    version: () => state.view.version,
    onView(view) {
      state = reduce(state, { type: 'view', view, at: Date.now() })
      if (isFinal(view.status)) events.push('live')
    },
    onGone() {},
    onNotOwner() {},
    onConnection: (connection) => events.push(connection),
  })
  closing.push(() => connection.close())
  return { events, progress: () => state.view.progress }
}

describe('a server without a connection to Redis', () => {
  it('a server that loses Redis sends degraded to current and new watchers, and restored when it is back', async () => {
    const hash = await real.given([START])
    const [early, stream, page] = [listen(), await openStream(hash), await openPage(hash)]
    await early.socket.timeout(5000).emitWithAck('request:watch', { hash })
    await eventually(() => expect(page.events.at(-1)).toBe('live'), WITHIN)
    await eventually(() => expect(stream.text()).toContain('event: update'))

    proxy.redirectTo(NOWHERE)
    proxy.blackhole()
    await eventually(() => expect(early.events).toEqual(['degraded']), WITHIN)
    await eventually(() => expect(stream.text()).toContain('event: degraded'), WITHIN)
    await eventually(() => expect(page.events.at(-1)).toBe('degraded'), WITHIN)

    const late = { socket: listen(), stream: await openStream(hash), page: await openPage(hash) }
    await eventually(() => expect(late.socket.events).toEqual(['degraded']), WITHIN)
    await eventually(() => expect(late.stream.text()).toContain('event: degraded'), WITHIN)
    await eventually(() => expect(late.page.events.at(-1)).toBe('degraded'), WITHIN)

    await real.apply(hash, progressTo(40))
    expect(page.progress()).toBe(0)
    proxy.redirectTo(target)
    for (const { events } of [early, late.socket])
      await eventually(() => expect(events).toEqual(['degraded', 'restored']), WITHIN)
    for (const { text } of [stream, late.stream])
      await eventually(() => expect(text()).toContain('event: restored'), WITHIN)
    for (const { events, progress } of [page, late.page])
      await eventually(() => expect([events.at(-1), progress()]).toEqual(['live', 40]), WITHIN)
  }, 40_000)
})
