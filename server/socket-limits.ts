/**
 * Limits of a socket: messages per second, failures in a row, unread data. They are counted per connection, below
 * Socket.IO, so that leaving and rejoining the namespace does not reset them, and packets that never become an event
 * (for unknown namespaces, unrequested acknowledgements) count as well.
 */
import type { EventEmitter } from 'node:events'
import type { IncomingMessage } from 'node:http'
import type { Socket as TcpSocket } from 'node:net'
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

interface Usage {
  readonly tcp: TcpSocket
  readonly log: Log
  readonly messages: Bucket
  /** Null until there is a first one. */
  heartbeats: Bucket | null
  failuresInARow: number
  unflushedChars: number
  unsentPongs: number
}

/** By connection, and by the WebSocket beneath it. Listeners are shared and find it here: closures for each socket take more memory. */
const usages = new WeakMap<EventEmitter | Connection, Usage>()
const usageOf = (emitter: EventEmitter | Connection): Usage => usages.get(emitter) as Usage

/** Takes one message from the rate limit; false when it is used up. */
export const allowsMessage = (connection: Connection): boolean => tryTake(usageOf(connection).messages)

/** Resets the failures: the last message succeeded, or failed through no fault of its sender. */
export function markSuccess(connection: Connection): void {
  usageOf(connection).failuresInARow = 0
}

export function limitSocket(connection: Connection, log: Log): void {
  const { socket: tcp, websocket } = connection.request as IncomingMessage & { websocket: EventEmitter }
  const usage: Usage = {
    tcp,
    log,
    messages: fullBucket(),
    heartbeats: null,
    failuresInARow: 0,
    unflushedChars: 0,
    unsentPongs: 0,
  }
  usages.set(connection, usage)
  usages.set(websocket, usage)
  connection.on('packet', onPacket)
  connection.on('packetCreate', onPacketCreate)
  connection.on('flush', onFlush)
  connection.on('close', onClose)
  websocket.on('ping', onPing)
  websocket.on('pong', onPong)
}

// Not close(), which waits until the client has read everything.
function drop({ tcp, log }: Usage, reason: string): void {
  if (tcp.destroyed) return
  log.debug({ reason }, 'socket dropped')
  tcp.destroy()
}

function takeHeartbeat(usage: Usage): boolean {
  usage.heartbeats ??= fullBucket()
  return tryTake(usage.heartbeats)
}

function onPacket(this: Connection, { type }: { type: string }): void {
  const usage = usageOf(this)
  if (type === 'message') {
    if (++usage.failuresInARow > MAX_FAILURES_IN_A_ROW) drop(usage, 'too many failures in a row')
  } else if (!takeHeartbeat(usage)) drop(usage, 'too many heartbeats')
}

// Every sent packet passes here, and stays in the connection until the TCP socket has accepted the ones before it.
function onPacketCreate(this: Connection, { data }: { data?: string }): void {
  const usage = usageOf(this)
  if (usage.unflushedChars + usage.tcp.writableLength > MAX_UNSENT_CHARS) drop(usage, 'too much unread')
  else usage.unflushedChars += data?.length ?? 0
}

function onFlush(this: Connection): void {
  usageOf(this).unflushedChars = 0
}

function onClose(this: Connection): void {
  const { tcp } = usageOf(this)
  if (!tcp.destroyed) setTimeout(() => tcp.destroy(), CLOSE_TIMEOUT_MS).unref()
}

// The WebSocket library answers protocol-level pings itself. An unsent pong takes far more memory than its bytes.
function onPing(this: EventEmitter): void {
  const usage = usageOf(this)
  usage.unsentPongs = usage.tcp.writableLength === 0 ? 0 : usage.unsentPongs + 1
  if (usage.unsentPongs > MAX_FAILURES_IN_A_ROW || !takeHeartbeat(usage)) drop(usage, 'too many heartbeats')
}

// This server sends no such pings, so there is no pong to answer.
function onPong(this: EventEmitter): void {
  const usage = usageOf(this)
  if (!takeHeartbeat(usage)) drop(usage, 'too many heartbeats')
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
