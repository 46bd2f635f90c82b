/**
 * The Socket.IO side: pages and programs watch requests and receive each newer state. Only the websocket transport is
 * offered, so that server processes need no sticky sessions; a page that cannot open one uses the event stream or polls.
 */
import type { Server as HttpServer } from 'node:http'
import { Server } from 'socket.io'
import { AppError } from '../core/domain/errors.ts'
import type { RequestWatcher } from '../core/pubsub/request-watcher.ts'
import type { Health } from '../core/pubsub/subscriber-health.ts'
import type { Log } from '../core/runtime/log.ts'
import { ignoreForeignUpgrades } from './http-upgrade.ts'
import type { IsAllowedOrigin } from './middleware/origin.ts'
import type { Ownership } from './ownership.ts'
import type { SessionCookies } from './sessions.ts'
import { limitSocket, MESSAGES_PER_SECOND, type SocketLimits } from './socket-limits.ts'
import {
  type ClientEvents,
  type ClientSocket,
  createSocketWatches,
  type ServerEvents,
  type SocketState,
  toRejection,
} from './socket-watches.ts'

type HandshakeRequest = { _query: { sid?: string } }

const MAX_MESSAGE_BYTES = 4096
/** From opening a connection to joining the namespace; the project's own clients join immediately. */
const CONNECT_TIMEOUT_MS = 5_000

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
  isAllowedOrigin,
  log,
}: {
  http: HttpServer
  watcher: RequestWatcher
  health: Health
  ownership: Ownership
  sessions: SessionCookies
  isAllowedOrigin: IsAllowedOrigin
  log: Log
}): Relay {
  const io = openSocketServer(http, isAllowedOrigin)
  const watches = createSocketWatches({ watcher, ownership, log })

  const limits = new WeakMap<ClientSocket['conn'], SocketLimits>()
  io.engine.on('connection', (connection: ClientSocket['conn']) => {
    limits.set(connection, limitSocket(connection, log))
  })

  io.on('connection', (socket: ClientSocket) => {
    const state: SocketState = {
      socket,
      limits: limits.get(socket.conn) as SocketLimits,
      sessionId: sessions.read(socket.handshake.headers.cookie),
      watches: new Map(),
    }
    releaseHandshake(socket)
    if (!health.isUp) socket.emit('service:degraded')
    socket.use((event, next) => {
      if (state.limits.allowsMessage()) return next()
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

function openSocketServer(http: HttpServer, isAllowedOrigin: IsAllowedOrigin) {
  const io = new Server<ClientEvents, ServerEvents>(http, {
    transports: ['websocket'],
    serveClient: false,
    maxHttpBufferSize: MAX_MESSAGE_BYTES,
    connectTimeout: CONNECT_TIMEOUT_MS,
    destroyUpgrade: false,
    allowRequest: (req, decide) => decide(null, isAllowedOrigin(req)),
  })
  ignoreForeignUpgrades(http, { exceptPath: `${io.path()}/` })
  // A handshake with a session id (`sid`) asks to change the transport, and there is only one.
  io.engine.use((req: HandshakeRequest, res: { req: unknown }, next: (error?: Error) => void) => {
    // The socket keeps `res` as long as it lives, and `res` would keep the request.
    res.req = null
    next(req._query.sid === undefined ? undefined : new Error('a connection has one transport'))
  })
  return io
}

/** Drops the handshake request: it is not needed once the socket is open, and would stay in memory as long as that. */
function releaseHandshake(socket: ClientSocket): void {
  Object.assign(socket.conn, { request: null })
  Object.assign(socket.conn.transport, { req: null })
  socket.handshake.headers = {}
}
