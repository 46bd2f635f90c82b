/** Hearing by socket: told of every change at once, and comes back by itself. */
import { io } from 'socket.io-client'
import type { PublicView } from '../../core/domain/record.ts'
import { endOf, jittered, type Transport } from './transport.ts'

/** How long it may take at first before it counts as blocked. */
const PATIENCE_MS = 3000
const ANSWER_WITHIN_MS = 5000
/** Give or take a half; after a mere hiccup it is back before anything need be said. Doubled with each failure. */
const AGAIN_MS = 700
/** Of a socket that is refused for good (by a proxy, by the server's limits) the server hears this rarely. */
const MAX_AGAIN_MS = 300_000
/** A connection that lasted this long was no failure. */
const LASTED_MS = 10_000

type WatchAnswer = { ok: true; data: PublicView } | { ok: false; problem: { code: string } }

export const bySocket: Transport = (request, ears) => {
  // Comes back by our own timer: Socket.IO tries a refused connection every five seconds, for ever.
  const socket = io(new URL(request.statusUrl).origin, {
    transports: ['websocket'],
    forceNew: true,
    reconnection: false,
  })
  let isStopped = false
  /** A server says so on each connection, before it answers a watch. */
  let isDegraded = false
  let failures = 0
  let upSince = Number.POSITIVE_INFINITY
  let again: ReturnType<typeof setTimeout> | undefined
  const patience = setTimeout(() => ears.down(), PATIENCE_MS)

  function watch(): void {
    const message = { hash: request.hash, version: request.version(), owner_token: request.ownerToken }
    socket.timeout(ANSWER_WITHIN_MS).emit('request:watch', message, hearAnswer)
  }

  function hearAnswer(late: Error | null, answer?: WatchAnswer): void {
    if (isStopped) return
    if (answer?.ok) {
      clearTimeout(patience)
      upSince = Math.min(upSince, performance.now())
      ears.degraded(isDegraded)
      ears.up()
      ears.view(answer.data)
      return
    }
    const code = answer?.problem.code
    const end = endOf(code)
    if (end) ears.end(end)
    // Connected and without an answer: a connection from before a sleep may be dead and not know it.
    else if (late) socket.disconnect()
    else fail(code)
  }

  function fail(code?: string): void {
    if (isStopped) return
    if (performance.now() - upSince > LASTED_MS) failures = 0
    upSince = Number.POSITIVE_INFINITY
    ears.down({ code })
    clearTimeout(again)
    again = setTimeout(tryNow, jittered(Math.min(MAX_AGAIN_MS, AGAIN_MS * 2 ** failures++)))
  }

  function tryNow(): void {
    clearTimeout(again)
    again = undefined
    if (socket.connected) watch()
    else socket.connect()
  }

  function setDegraded(is: boolean): void {
    isDegraded = is
    ears.degraded(is)
  }

  socket.on('connect', () => {
    isDegraded = false
    watch()
  })
  socket.on('connect_error', () => fail())
  socket.on('disconnect', () => fail())
  socket.on('request:update', (view: PublicView) => ears.view(view))
  socket.on('request:expired', ({ hash }: { hash: string }) => hash === request.hash && ears.end('gone'))
  socket.on('service:degraded', () => setDegraded(true))
  socket.on('service:restored', () => {
    setDegraded(false)
    tryNow()
  })

  return {
    check() {
      failures = 0
      tryNow()
    },
    stop() {
      isStopped = true
      clearTimeout(patience)
      clearTimeout(again)
      socket.close()
    },
  }
}
