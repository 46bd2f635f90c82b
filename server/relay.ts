/**
 * The Socket.IO side: pages and programs watch requests and are told every newer state. Only the websocket transport
 * is offered, so that server processes need no sticky sessions; a page that cannot open one hears by event stream or
 * poll.
 */
import type { Server as HttpServer } from 'node:http'
import { Server, type Socket } from 'socket.io'
import { z } from 'zod'
import { AppError } from '../core/domain/errors.ts'
import type { PublicView } from '../core/domain/record.ts'
import { isRequestHash } from '../core/domain/request-id.ts'
import type { RequestWatcher, UpdateListener } from '../core/pubsub/request-watcher.ts'
import type { Health } from '../core/pubsub/subscriber-health.ts'
import type { Log } from '../core/runtime/log.ts'
import { ignoreForeignUpgrades } from './http-upgrade.ts'
import type { IsAllowedOrigin } from './middleware/origin.ts'
import { type Ownership, parseOwnerToken } from './ownership.ts'
import { type Problem, toProblem } from './problem.ts'
import type { Sessions } from './sessions.ts'
import { limitSocket, MAX_WATCHED, MESSAGES_PER_SECOND, type SocketLimits } from './socket-limits.ts'
import { sendUpdate } from './websocket-frame.ts'

export type WatchResponse = { ok: true; data: PublicView } | { ok: false; problem: Problem }
type Acknowledge = (acknowledge: WatchResponse) => void

interface ClientEvents {
  'request:watch': (message: unknown, acknowledge: Acknowledge) => void
  'request:unwatch': (message: unknown) => void
}
interface ServerEvents {
  'request:update': (view: PublicView) => void
  'request:expired': (event: { hash: string }) => void
  'service:degraded': () => void
  'service:restored': () => void
}
type Client = Socket<ClientEvents, ServerEvents>

type HandshakeRequest = { _query: { sid?: string } }

/** What is kept of each socket: there are many. */
interface Watcher {
  socket: Client
  limits: SocketLimits
  sessionId: string | null
  /** By hash, each with the way to stop. */
  watches: Map<string, Promise<() => void>>
}

const MAX_MESSAGE_BYTES = 4096
/** From opening a connection to joining; ours join at once. */
const CONNECT_TIMEOUT_MS = 5_000

const watchMessageSchema = z.object({
  hash: z.string().refine(isRequestHash),
  version: z.number().int().optional(),
  owner_token: z.unknown().optional(),
})

export interface Relay {
  stop(): void
}

export function createRelay({
  http,
  live,
  health,
  ownership,
  sessions,
  isAllowedOrigin,
  log,
}: {
  http: HttpServer
  live: RequestWatcher
  health: Health
  ownership: Ownership
  sessions: Sessions
  isAllowedOrigin: IsAllowedOrigin
  log: Log
}): Relay {
  const io = new Server<ClientEvents, ServerEvents>(http, {
    transports: ['websocket'],
    serveClient: false,
    maxHttpBufferSize: MAX_MESSAGE_BYTES,
    connectTimeout: CONNECT_TIMEOUT_MS,
    destroyUpgrade: false,
    allowRequest: (req, decide) => decide(null, isAllowedOrigin(req)),
  })
  ignoreForeignUpgrades(http, { exceptPath: `${io.path()}/` })
  // Only a change of transport names a connection, and there is but one transport.
  io.engine.use((req: HandshakeRequest, res: { req: unknown }, next: (error?: Error) => void) => {
    // It is kept as long as the socket lives, and would keep the call.
    res.req = null
    next(req._query.sid === undefined ? undefined : new Error('a connection has one transport'))
  })

  const limits = new WeakMap<Client['conn'], SocketLimits>()
  io.engine.on('connection', (connection: Client['conn']) => {
    limits.set(connection, limitSocket(connection, log))
  })

  io.on('connection', (socket: Client) => {
    const watcher: Watcher = {
      socket,
      limits: limits.get(socket.conn) as SocketLimits,
      sessionId: sessions.read(socket.handshake.headers.cookie),
      watches: new Map(),
    }
    releaseHandshake(socket)
    if (!health.isUp) socket.emit('service:degraded')
    socket.use((event, next) => {
      if (watcher.limits.allowsMessage()) return next()
      const acknowledge: unknown = event.at(-1)
      if (typeof acknowledge === 'function') acknowledge(rejection(TOO_MANY_MESSAGES))
    })
    socket.on('request:watch', (message, acknowledge) => {
      if (typeof acknowledge === 'function') void handleWatch(watcher, message, acknowledge)
    })
    socket.on('request:unwatch', (message) => {
      const parsed = watchMessageSchema.safeParse(message)
      if (parsed.success && unwatch(watcher, parsed.data.hash)) watcher.limits.markSuccess()
    })
    socket.on('disconnect', () => {
      for (const hash of [...watcher.watches.keys()]) unwatch(watcher, hash)
      // There is one namespace: who has left it has nothing more to do here.
      socket.conn.close()
    })
  })

  health.onChange((isUp) => io.emit(isUp ? 'service:restored' : 'service:degraded'))

  async function handleWatch(watcher: Watcher, message: unknown, acknowledge: Acknowledge): Promise<void> {
    const { limits, watches } = watcher
    try {
      const { hash, owner_token } = parseWatchMessage(message)
      if (!watches.has(hash) && watches.size >= MAX_WATCHED) {
        throw new AppError('rate_limited', { detail: `A socket watches at most ${MAX_WATCHED} requests.` })
      }
      acknowledge({ ok: true, data: await watch(watcher, hash, parseOwnerToken(owner_token)) })
      limits.markSuccess()
    } catch (error) {
      const problem = error instanceof AppError ? error : new AppError('internal_error', { cause: error })
      if (problem.status === 500) log.error({ err: problem }, 'a watch failed')
      if (problem.status >= 500) limits.markSuccess()
      acknowledge(rejection(problem))
    }
  }

  /** Watching twice is watching once, answered with what stands now. */
  async function watch(watcher: Watcher, hash: string, ownerToken: string | null): Promise<PublicView> {
    const { sessionId, watches } = watcher
    unwatch(watcher, hash)
    const allowed = ownership.check(hash, { sessionId, ownerToken }, 'read')
    const started = allowed.then(() => live.watch(hash, createListener(watcher, hash)))
    const stop = started.then((watch) => watch.stop)
    // Who waits for `started` hears of its failure; this one may have nobody waiting.
    stop.catch(() => {})
    watches.set(hash, stop)
    try {
      return (await started).latest.view
    } catch (error) {
      if (watches.get(hash) === stop) watches.delete(hash)
      throw error
    }
  }

  const createListener = ({ socket, watches }: Watcher, hash: string): UpdateListener => ({
    update: (update) => sendUpdate(socket.conn, update),
    expired: () => {
      watches.delete(hash)
      socket.emit('request:expired', { hash })
    },
  })

  return {
    // Not io.close(): the HTTP server is not the relay's to close. Nor io.disconnectSockets(): that tells clients that
    // they are not wanted, and they stay away; of a connection that is just closed they open another one soon.
    stop: () => void io.engine.close(),
  }
}

/** @returns whether it was being watched */
function unwatch({ watches }: Watcher, hash: string): boolean {
  watches.get(hash)?.then(
    (stop) => stop(),
    () => {},
  )
  return watches.delete(hash)
}

/** Once a socket is open nobody asks any more with what call it was opened; it would be kept as long as that lives. */
function releaseHandshake(socket: Client): void {
  Object.assign(socket.conn, { request: null })
  Object.assign(socket.conn.transport, { req: null })
  socket.handshake.headers = {}
}

const TOO_MANY_MESSAGES = new AppError('rate_limited', {
  detail: `A socket sends at most ${MESSAGES_PER_SECOND} messages a second.`,
})
const rejection = (error: AppError): WatchResponse => ({ ok: false, problem: toProblem(error) })

function parseWatchMessage(message: unknown): z.infer<typeof watchMessageSchema> {
  const parsed = watchMessageSchema.safeParse(message)
  if (parsed.success) return parsed.data
  const { hash } = (message ?? {}) as { hash?: unknown }
  throw typeof hash === 'string' && !isRequestHash(hash)
    ? new AppError('request_not_found')
    : new AppError('invalid_parameter', { detail: 'Send { hash, version?, owner_token? }.' })
}
