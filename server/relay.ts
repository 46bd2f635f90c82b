/**
 * The Socket.IO side: pages and programs watch requests and receive each newer state. Only the websocket transport is
 * offered, so that server processes need no sticky sessions; a page that cannot open one uses the event stream or polls.
 */
import type { Server as HttpServer } from 'node:http'
import { AppError } from '../core/domain/errors.ts'
import type { RequestWatcher } from '../core/pubsub/request-watcher.ts'
import type { Health } from '../core/pubsub/subscriber-health.ts'
import type { Log } from '../core/runtime/log.ts'
import type { IsHttps } from './client-address.ts'
import type { Ownership } from './ownership.ts'
import type { ServerMetrics } from './server-metrics.ts'
import type { SessionCookies } from './sessions.ts'
import type { SignIn } from './sign-in.ts'
import { type HandshakeDeps, openSocketServer } from './socket-handshake.ts'
import { limitSocket, MESSAGES_PER_SECOND, type SocketLimits } from './socket-limits.ts'
import { type ClientSocket, createSocketWatches, type SocketState, toRejection } from './socket-watches.ts'

const TOO_MANY_MESSAGES = new AppError('rate_limited', {
  detail: `A socket sends at most ${MESSAGES_PER_SECOND} messages a second.`,
})

export interface Relay {
  stop(): void
}

export function createRelay({
  http,
  watcher,
  health,
  ownership,
  sessions,
  signIn,
  isHttps,
  handshake,
  log,
  metrics,
}: {
  http: HttpServer
  watcher: RequestWatcher
  health: Health
  ownership: Ownership
  sessions: SessionCookies
  signIn: Pick<SignIn, 'userOf'>
  isHttps: IsHttps
  handshake: HandshakeDeps
  log: Log
  metrics?: ServerMetrics
}): Relay {
  const io = openSocketServer(http, handshake)
  const watches = createSocketWatches({
    watcher,
    ownership,
    onRefusal: handshake.onRefusal,
    log,
    counter: metrics?.transports.websocket,
  })

  const limits = new WeakMap<ClientSocket['conn'], SocketLimits>()
  io.engine.on('connection', (connection: ClientSocket['conn']) => {
    limits.set(connection, limitSocket(connection, log))
  })

  io.on('connection', (socket: ClientSocket) => {
    const state: SocketState = {
      socket,
      limits: limits.get(socket.conn) as SocketLimits,
      sessionId: sessions.read(socket.handshake.headers.cookie, isHttps(socket.request)),
      userId: signIn.userOf(socket.request).then(
        (user) => user?.id ?? null,
        () => null,
      ),
      watches: new Map(),
    }
    releaseHandshake(socket)
    if (!health.isUp) socket.emit('service:degraded')
    socket.use((event, next) => {
      if (state.limits.allowsMessage()) return next()
      metrics?.onLimit('socket')
      handshake.onRefusal({ action: 'socket', reason: 'rate_limited' })
      const acknowledge: unknown = event.at(-1)
      if (typeof acknowledge === 'function') acknowledge(toRejection(TOO_MANY_MESSAGES))
    })
    socket.on('request:watch', (message, acknowledge) => {
      if (typeof acknowledge === 'function') void watches.watch(state, message, acknowledge)
    })
    socket.on('request:unwatch', (message) => watches.unwatch(state, message))
    socket.on('disconnect', () => {
      watches.unwatchAll(state)
      // There is only one namespace: a client that left it has no use for the connection.
      socket.conn.close()
    })
  })

  health.onChange((isUp) => io.emit(isUp ? 'service:restored' : 'service:degraded'))

  return {
    // Not io.close(), which also closes the HTTP server. Not io.disconnectSockets(): a client that is sent a disconnect does
    // not reconnect, but one whose connection closes does.
    stop: () => void io.engine.close(),
  }
}

/** Drops the handshake request: it is not needed once the socket is open, and would stay in memory as long as that. */
function releaseHandshake(socket: ClientSocket): void {
  Object.assign(socket.conn, { request: null })
  Object.assign(socket.conn.transport, { req: null })
  socket.handshake.headers = {}
}
