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
import { allowsMessage, limitSocket, MESSAGES_PER_SECOND } from './socket-limits.ts'
import {
  type Acknowledge,
  type ClientSocket,
  createSocketWatches,
  type SocketState,
  toRejection,
} from './socket-watches.ts'

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

  io.engine.on('connection', (connection: ClientSocket['conn']) => limitSocket(connection, log))

  function allows(socket: ClientSocket): boolean {
    const isAllowed = allowsMessage(socket.conn)
    if (!isAllowed) {
      metrics?.onLimit('socket')
      handshake.onRefusal({ action: 'socket', reason: 'rate_limited' })
    }
    return isAllowed
  }

  // Shared by all sockets, as there are many.
  function onWatch(this: ClientSocket, message: unknown, acknowledge: Acknowledge): void {
    const isAllowed = allows(this)
    if (typeof acknowledge !== 'function') return
    if (isAllowed) void watches.watch(this, message, acknowledge)
    else acknowledge(toRejection(TOO_MANY_MESSAGES))
  }
  function onUnwatch(this: ClientSocket, message: unknown): void {
    if (allows(this)) watches.unwatch(this, message)
  }
  function onDisconnect(this: ClientSocket): void {
    watches.unwatchAll(this)
    // There is only one namespace: a client that left it has no use for the connection.
    this.conn.close()
  }

  io.on('connection', (socket: ClientSocket) => {
    // A client may join twice before it is answered, and the handshake was dropped after the first time.
    if (!hasHandshake(socket)) return void socket.conn.close()
    const sessionId = sessions.read(socket.handshake.headers.cookie, isHttps(socket.request))
    socket.data = { sessionId, userId: null, watches: new Map() }
    void keepUserId(socket.data, signIn.userOf(socket.request))
    releaseHandshake(socket)
    if (!health.isUp) socket.emit('service:degraded')
    socket.on('request:watch', onWatch)
    socket.on('request:unwatch', onUnwatch)
    socket.on('disconnect', onDisconnect)
  })

  health.onChange((isUp) => io.emit(isUp ? 'service:restored' : 'service:degraded'))

  return {
    // Not io.close(), which also closes the HTTP server. Not io.disconnectSockets(): a client that is sent a disconnect does
    // not reconnect, but one whose connection closes does.
    stop: () => void io.engine.close(),
  }
}

/** Keeps the promise only until it has resolved. */
async function keepUserId(state: SocketState, signingIn: ReturnType<SignIn['userOf']>): Promise<void> {
  state.userId = signingIn.then(
    (user) => user?.id ?? null,
    () => null,
  )
  state.userId = await state.userId
}

const hasHandshake = ({ conn }: ClientSocket): boolean => Boolean(conn.request)

/** Drops the handshake: it is not needed once the socket is open, and would stay in memory as long as that. */
function releaseHandshake(socket: ClientSocket): void {
  Object.assign(socket.conn, { request: null })
  Object.assign(socket.conn.transport, { req: null })
  Object.assign(socket, { handshake: null })
}
