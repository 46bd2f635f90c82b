/** Receives every change over a Socket.IO connection. */
import { io, type Socket } from 'socket.io-client'
import type { PublicView } from '../../core/domain/record.ts'
import { jittered, type Transport, toCloseReason } from './transport.ts'

/** A first connection that takes longer counts as blocked. */
const CONNECT_TIMEOUT_MS = 3000
const WATCH_TIMEOUT_MS = 5000
/** Before the first retry, give or take a half: back before a short loss is reported. Doubled with each failure. */
const RETRY_MS = 700
/** Limits how often a socket that a proxy or the server's limits always refuse reaches the server. */
const MAX_RETRY_MS = 300_000
/** A connection that lasted this long resets the count of failures. */
const LASTED_MS = 10_000

type WatchResponse = { ok: true; data: PublicView } | { ok: false; problem: { code: string } }

export const socketTransport: Transport = (target, events) => {
  // Without Socket.IO's own reconnection, which retries a refused connection every five seconds, for ever.
  const socket = io(new URL(target.statusUrl).origin, {
    transports: ['websocket'],
    forceNew: true,
    reconnection: false,
  })
  let isStopped = false
  /** The server sends this on each connection, before it answers `request:watch`. */
  let isDegraded = false
  const connectTimeout = setTimeout(() => events.down(), CONNECT_TIMEOUT_MS)
  const connect = createConnect(socket)
  const retry = createRetry(() => {
    if (socket.connected) watch()
    else connect()
  })

  function watch(): void {
    const message = { hash: target.hash, version: target.version(), owner_token: target.ownerToken }
    socket.timeout(WATCH_TIMEOUT_MS).emit('request:watch', message, handleResponse)
  }

  function handleResponse(timeout: Error | null, response?: WatchResponse): void {
    if (isStopped) return
    if (response?.ok) {
      clearTimeout(connectTimeout)
      retry.markUp()
      events.degraded(isDegraded)
      events.up()
      events.view(response.data)
      return
    }
    const code = response?.problem.code
    const reason = toCloseReason(code)
    if (reason) events.end(reason)
    // Connected but unanswered: after a sleep the connection may be dead without an error.
    else if (timeout) socket.disconnect()
    else fail(code)
  }

  function fail(code?: string): void {
    if (isStopped) return
    events.down({ code })
    retry.schedule()
  }

  function setDegraded(is: boolean): void {
    isDegraded = is
    events.degraded(is)
  }

  socket.on('connect', () => {
    isDegraded = false
    watch()
  })
  socket.on('connect_error', () => fail())
  socket.on('disconnect', () => fail())
  socket.on('request:update', (view: PublicView) => {
    events.up()
    events.view(view)
  })
  // The server pings every 25 s, which shows as well that nothing holds its messages back.
  socket.io.on('ping', () => retry.isUp && events.up())
  socket.on('request:expired', ({ hash }: { hash: string }) => hash === target.hash && events.end('gone'))
  socket.on('service:degraded', () => setDegraded(true))
  socket.on('service:restored', () => {
    setDegraded(false)
    retry.now()
  })

  return {
    check: retry.reset,
    stop() {
      isStopped = true
      clearTimeout(connectTimeout)
      retry.cancel()
      socket.close()
    },
  }
}

/** Connects again, unless that is under way: a socket that joins twice is closed by the server. */
function createConnect(socket: Socket): () => void {
  let isConnecting = true
  const onOutcome = (): void => {
    isConnecting = false
  }
  for (const outcome of ['connect', 'connect_error', 'disconnect'] as const) socket.on(outcome, onOutcome)
  return () => {
    if (!isConnecting) socket.connect()
    isConnecting = true
  }
}

interface Retry {
  readonly isUp: boolean
  /** The connection works since now, if it did not before. */
  markUp(): void
  /** Runs after a pause that doubles with each failure. */
  schedule(): void
  now(): void
  /** Runs now, and starts again with short pauses. */
  reset(): void
  cancel(): void
}

function createRetry(run: () => void): Retry {
  let failures = 0
  let upSince = Number.POSITIVE_INFINITY
  let timer: ReturnType<typeof setTimeout> | undefined

  function now(): void {
    clearTimeout(timer)
    run()
  }

  return {
    get isUp() {
      return upSince < Number.POSITIVE_INFINITY
    },
    now,
    markUp() {
      upSince = Math.min(upSince, performance.now())
    },
    schedule() {
      if (performance.now() - upSince > LASTED_MS) failures = 0
      upSince = Number.POSITIVE_INFINITY
      clearTimeout(timer)
      timer = setTimeout(run, jittered(Math.min(MAX_RETRY_MS, RETRY_MS * 2 ** failures++)))
    },
    reset() {
      failures = 0
      now()
    },
    cancel: () => clearTimeout(timer),
  }
}
