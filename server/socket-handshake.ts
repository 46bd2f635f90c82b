/** Which sockets are let in. */
import { type Server as HttpServer, type IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { Server } from 'socket.io'
import { type ServerOptions, WebSocketServer } from 'ws'
import { AppError } from '../core/domain/errors.ts'
import { RETRY_OPEN_SECONDS, type TakeOpen } from './address-limits.ts'
import { type AddressOf, networkOf } from './client-address.ts'
import { ignoreForeignUpgrades } from './http-upgrade.ts'
import type { RefuseHost } from './middleware/host.ts'
import { FOREIGN_ORIGIN, type IsAllowedOrigin } from './middleware/origin.ts'
import { answerProblem, answerRaw } from './raw-answer.ts'
import type { OnRefusal } from './refused-calls.ts'
import type { ClientEvents, ServerEvents } from './socket-watches.ts'

const MAX_MESSAGE_BYTES = 4096
/** From opening a connection to joining the namespace; the project's own clients join immediately. */
const CONNECT_TIMEOUT_MS = 5_000

export interface HandshakeDeps {
  isAllowedOrigin: IsAllowedOrigin
  refuseHost: RefuseHost
  addressOf: AddressOf
  takeSocket: TakeOpen
  onLimit?: (limit: 'open_socket') => void
  onRefusal: OnRefusal
}

type HandshakeRequest = IncomingMessage & { _query: { sid?: string; EIO?: string } }

/** Of Engine.IO's `Server.errors`. */
const FORBIDDEN = 4

const refusal = (reason: string): AppError =>
  new AppError('bad_request', { detail: `This opens no socket: ${reason}.` })
const TOO_MANY = new AppError('rate_limited', {
  detail: `This address has as many open sockets as one may have; try again in ${RETRY_OPEN_SECONDS} s.`,
  retryAfterSeconds: RETRY_OPEN_SECONDS,
})

/** Without the listener, the library answers an invalid handshake itself. */
class QuietWebSocketServer extends WebSocketServer {
  constructor(options: ServerOptions) {
    super(options)
    this.on('wsClientError', ({ message }: Error, socket: Duplex) => answerRaw(socket, refusal(message)))
  }
}

export function openSocketServer(http: HttpServer, deps: HandshakeDeps): Server<ClientEvents, ServerEvents> {
  const io = new Server<ClientEvents, ServerEvents>(http, {
    transports: ['websocket'],
    serveClient: false,
    maxHttpBufferSize: MAX_MESSAGE_BYTES,
    connectTimeout: CONNECT_TIMEOUT_MS,
    destroyUpgrade: false,
    wsEngine: QuietWebSocketServer,
    allowRequest: (req, decide) => decide(null, deps.isAllowedOrigin(req)),
  })
  ignoreForeignUpgrades(http, { exceptPath: `${io.path()}/` })
  io.engine.use(
    (req: HandshakeRequest, res: ServerResponse | { req: unknown }, next: (error?: Error) => void) => {
      if (res instanceof ServerResponse)
        return answerProblem(res, deps.refuseHost(req) ?? refusal('it is no WebSocket handshake'))
      const refused = deps.refuseHost(req) ?? countSocket(req, deps)
      if (refused) {
        deps.onRefusal({ action: 'socket', reason: refused.code, req })
        return answerRaw(req.socket, refused)
      }
      // The socket keeps `res` as long as it lives, and `res` would keep the request.
      res.req = null
      // A session id (`sid`) asks to change the transport, and there is only one. Engine.IO refuses another protocol too late.
      const { sid, EIO } = req._query
      next(sid === undefined && EIO === '4' ? undefined : new Error('another protocol or transport'))
    },
  )
  // Engine.IO then finds the connection answered, and closes it.
  io.engine.on(
    'connection_error',
    ({ req, code, message }: { req: HandshakeRequest; code: number; message: string }) => {
      const refused =
        code === FORBIDDEN ? new AppError('origin_not_allowed', { detail: FOREIGN_ORIGIN }) : refusal(message)
      deps.onRefusal({ action: 'socket', reason: refused.code, req })
      answerRaw(req.socket, refused)
    },
  )
  return io
}

/** Counts the connection as open until it is closed. @returns the error when its address has too many */
function countSocket(
  req: IncomingMessage,
  { addressOf, takeSocket, onLimit }: HandshakeDeps,
): AppError | null {
  const release = takeSocket(networkOf(addressOf(req)))
  if (release) req.socket.on('close', release)
  else onLimit?.('open_socket')
  return release ? null : TOO_MANY
}
