/**
 * Limits of a socket: messages per second, failures in a row, unread data. They are counted per connection, below
 * Socket.IO, so that leaving and rejoining the namespace does not reset them, and packets that never become an event
 * (for unknown namespaces, unrequested acknowledgements) count as well.
 */
import type { EventEmitter } from 'node:events'
import type { IncomingMessage } from 'node:http'
import type { Socket } from 'socket.io'
import type { Log } from '../core/runtime/log.ts'

export const MAX_WATCHED = 64
export const MESSAGES_PER_SECOND = 20
/**
 * Messages in a row without a success. Four times the number of watches: a client whose requests have all just expired
 * may watch and unwatch each of them twice.
 */
const MAX_FAILURES_IN_A_ROW = 4 * MAX_WATCHED
/** A socket with more unread characters is disconnected, and must watch again. */
const MAX_UNSENT_CHARS = 1024 * 1024
/** How long a client may take to answer the closing handshake. */
const CLOSE_TIMEOUT_MS = 1_000

type Connection = Socket['conn']

export interface SocketLimits {
  /** Takes one message from the rate limit; false when it is used up. */
  allowsMessage(): boolean
  /** Resets the failures: the last message succeeded, or failed through no fault of its sender. */
  markSuccess(): void
}

export function limitSocket(connection: Connection, log: Log): SocketLimits {
  const tcp = connection.request.socket
  const messages = fullBucket()
  const heartbeats = fullBucket()
  let failuresInARow = 0
  let unflushedChars = 0
  let unsentPongs = 0

  // Not close(), which waits until the client has read everything.
  const drop = (reason: string): void => {
    if (tcp.destroyed) return
    log.debug({ reason }, 'socket dropped')
    tcp.destroy()
  }

  connection.on('packet', ({ type }: { type: string }) => {
    if (type === 'message') {
      if (++failuresInARow > MAX_FAILURES_IN_A_ROW) drop('too many failures in a row')
    } else if (!tryTake(heartbeats)) drop('too many heartbeats')
  })
  // Every sent packet passes here, and stays in the connection until the TCP socket has accepted the ones before it.
  connection.on('packetCreate', ({ data }: { data?: string }) => {
    if (unflushedChars + tcp.writableLength > MAX_UNSENT_CHARS) drop('too much unread')
    else unflushedChars += data?.length ?? 0
  })
  connection.on('flush', () => {
    unflushedChars = 0
  })
  // The WebSocket library answers protocol-level pings itself. An unsent pong takes far more memory than its bytes.
  const { websocket } = connection.request as IncomingMessage & { websocket: EventEmitter }
  websocket.on('ping', () => {
    unsentPongs = tcp.writableLength === 0 ? 0 : unsentPongs + 1
    if (unsentPongs > MAX_FAILURES_IN_A_ROW || !tryTake(heartbeats)) drop('too many heartbeats')
  })

  // This server sends no such pings, so there is no pong to answer.
  websocket.on('pong', () => {
    if (!tryTake(heartbeats)) drop('too many heartbeats')
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
 * A token bucket. It holds as many tokens as a socket has watches, so that a page that has just reconnected can watch all
 * its requests again at once.
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
