/**
 * The manners of a socket: how much it may send, how long it may only fail, how much it may leave unread. All of it is
 * counted for the connection, below Socket.IO: a client cannot begin anew by leaving and joining again, and what never
 * becomes an event (packets to unknown namespaces, answers nobody asked for) counts as well.
 */
import type { EventEmitter } from 'node:events'
import type { IncomingMessage } from 'node:http'
import type { Socket } from 'socket.io'
import type { Log } from '../core/runtime/log.ts'

export const MAX_WATCHED = 64
export const MESSAGES_PER_SECOND = 20
/**
 * Messages without one among them that was good. Four times what a socket may watch: where all its requests have just
 * expired it may ask for each, leave each, and do that once more.
 */
const MAX_FAILURES_IN_A_ROW = 4 * MAX_WATCHED
/** In characters. A socket with more than this unread is cut off, and must watch again. */
const MAX_UNSENT_CHARS = 1024 * 1024
/** How long a client may take to say goodbye as well. */
const CLOSE_TIMEOUT_MS = 1_000

type Connection = Socket['conn']

export interface SocketLimits {
  /** Whether one more message may have an effect. */
  allowsMessage(): boolean
  /** The last message was good, or failed by no fault of its sender. */
  markSuccess(): void
}

export function limitSocket(connection: Connection, log: Log): SocketLimits {
  const tcp = connection.request.socket
  const messages = fullBucket()
  const heartbeats = fullBucket()
  let failuresInARow = 0
  let unflushedChars = 0
  let unsentPongs = 0

  // Not close(): that waits until the client has read everything.
  const drop = (reason: string): void => {
    if (tcp.destroyed) return
    log.debug({ reason }, 'a socket is dropped')
    tcp.destroy()
  }

  connection.on('packet', ({ type }: { type: string }) => {
    if (type === 'message') {
      if (++failuresInARow > MAX_FAILURES_IN_A_ROW) drop('nothing but failures')
    } else if (!tryTake(heartbeats)) drop('too many heartbeats')
  })
  // Whatever is sent comes through here; it waits in the connection until the TCP socket has taken what went before.
  connection.on('packetCreate', ({ data }: { data?: string }) => {
    if (unflushedChars + tcp.writableLength > MAX_UNSENT_CHARS) drop('does not read')
    else unflushedChars += data?.length ?? 0
  })
  connection.on('flush', () => {
    unflushedChars = 0
  })
  // A ping of the WebSocket itself is answered below all that. An unread answer takes much more memory than its bytes.
  const { websocket } = connection.request as IncomingMessage & { websocket: EventEmitter }
  websocket.on('ping', () => {
    unsentPongs = tcp.writableLength === 0 ? 0 : unsentPongs + 1
    if (unsentPongs > MAX_FAILURES_IN_A_ROW || !tryTake(heartbeats)) drop('too many heartbeats')
  })

  connection.on('close', () => {
    if (!tcp.destroyed) setTimeout(() => tcp.destroy(), CLOSE_TIMEOUT_MS).unref()
  })

  return {
    allowsMessage: () => tryTake(messages),
    markSuccess() {
      failuresInARow = 0
    },
  }
}

/**
 * Gives a token while it has one. It holds as many as a socket may watch, so that a page that has just reconnected can
 * watch all its requests again in one go.
 */
interface Bucket {
  tokens: number
  filledAt: number
}
const fullBucket = (): Bucket => ({ tokens: MAX_WATCHED, filledAt: performance.now() })

function tryTake(bucket: Bucket): boolean {
  const now = performance.now()
  const refilled = bucket.tokens + ((now - bucket.filledAt) / 1000) * MESSAGES_PER_SECOND
  bucket.tokens = Math.min(MAX_WATCHED, refilled)
  bucket.filledAt = now
  if (bucket.tokens < 1) return false
  bucket.tokens--
  return true
}
