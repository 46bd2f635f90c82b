/**
 * The HTTP server, before any route: how long a call may take to arrive, and what connections are answered on which no call
 * arrived. Node would answer these without a body and without the headers of all other answers.
 */
import { createServer, type RequestListener, type Server } from 'node:http'
import type { Socket } from 'node:net'
import { AppError } from '../core/domain/errors.ts'
import { answerRaw } from './raw-answer.ts'

/** For headers and body together, however slowly they arrive. */
const ARRIVAL_TIMEOUT_MS = 30_000
/** A client that has accepted no data for so long is treated as disconnected. Streams and long polls write more often. */
const IDLE_TIMEOUT_MS = 60_000
/**
 * Longer than the 60 s for which proxies keep idle connections, so that the proxy closes them, never the server under a
 * request. Node's default of 5 s is the interval at which pages poll.
 */
const KEEP_ALIVE_TIMEOUT_MS = 75_000
/**
 * Calls of one connection that wait behind another answer. Node reads all that has arrived at once: the thousand calls of one
 * packet would make everyone else wait for seconds. Neither browsers nor proxies send a call before the last answer.
 */
const MAX_PIPELINED = 32

export interface HttpServerOptions {
  arrivalTimeoutMs?: number
}

export function createHttpServer(
  app: RequestListener,
  { arrivalTimeoutMs = ARRIVAL_TIMEOUT_MS }: HttpServerOptions = {},
): Server {
  const http = createServer(
    {
      keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
      headersTimeout: arrivalTimeoutMs,
      requestTimeout: arrivalTimeoutMs,
      connectionsCheckingInterval: Math.min(1000, arrivalTimeoutMs),
      // middleware/host.ts refuses them.
      requireHostHeader: false,
    },
    limitPipelining(app),
  )
  http.setTimeout(IDLE_TIMEOUT_MS)
  // Node would drop all headers after the thousandth unread, such as the Content-Length by which it reads on, or what a proxy
  // appends. Their size is limited to 16 kB.
  http.maxHeadersCount = 0
  http.on('clientError', answerClientError)
  // An expectation that is not known may be ignored (RFC 9110).
  http.on('checkExpectation', (req, res) => http.emit('request', req, res))
  return http
}

/** Closes connections with too many calls at once. */
function limitPipelining(app: RequestListener): RequestListener {
  const waiting = new WeakMap<Socket, number>()
  const change = (socket: Socket, by: number): number => {
    const count = (waiting.get(socket) ?? 0) + by
    waiting.set(socket, count)
    return count
  }
  return (req, res) => {
    // Only an answer that has its turn has the socket.
    if (res.socket === null) {
      const { socket } = req
      if (socket.destroyed) return
      if (change(socket, 1) > MAX_PIPELINED) return void socket.destroy()
      res.once('close', () => change(socket, -1))
    }
    app(req, res)
  }
}

function answerClientError(
  error: NodeJS.ErrnoException,
  socket: Socket & { _httpMessage?: { _headerSent: boolean } },
): void {
  // Node itself looks there: a second answer would be read as part of the first.
  if (error.code === 'ECONNRESET' || !socket.writable || socket._httpMessage?._headerSent) socket.destroy()
  else answerRaw(socket, toAppError(error.code))
}

function toAppError(code: string | undefined): AppError {
  switch (code) {
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return new AppError('request_timeout', { detail: 'The headers or the body arrived too slowly.' })
    case 'HPE_HEADER_OVERFLOW':
      return new AppError('headers_too_large', { detail: 'Address and headers have at most 16 kB together.' })
    default:
      return new AppError('bad_request', { detail: 'The call could not be read.' })
  }
}
