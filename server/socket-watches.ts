/** `request:watch` and `request:unwatch`: the requests that one socket watches. */
import type { Socket } from 'socket.io'
import { z } from 'zod'
import { AppError } from '../core/domain/errors.ts'
import type { PublicView } from '../core/domain/record.ts'
import { isRequestHash } from '../core/domain/request-id.ts'
import type { RequestWatcher, UpdateListener } from '../core/pubsub/request-watcher.ts'
import type { Log } from '../core/runtime/log.ts'
import { type Ownership, parseOwnerToken } from './ownership.ts'
import { type Problem, toProblem } from './problem.ts'
import type { OnRefusal } from './refused-calls.ts'
import type { TransportCounter } from './server-metrics.ts'
import { MAX_WATCHED, markSuccess } from './socket-limits.ts'
import { isViewToken } from './view-links.ts'
import { sendUpdate, type UpdateTarget } from './websocket-frame.ts'

export type WatchResponse = { ok: true; data: PublicView } | { ok: false; problem: Problem }
export type Acknowledge = (response: WatchResponse) => void

export interface ClientEvents {
  'request:watch': (message: unknown, acknowledge: Acknowledge) => void
  'request:unwatch': (message: unknown) => void
}
export interface ServerEvents {
  'request:update': (view: PublicView) => void
  'request:expired': (event: { hash: string }) => void
  'service:degraded': () => void
  'service:restored': () => void
}
export type ClientSocket = Socket<ClientEvents, ServerEvents, Record<string, never>, SocketState>

/** The `data` of one socket. Small, because a server has many sockets. */
export interface SocketState {
  sessionId: string | null
  userId: string | null | Promise<string | null>
  /** By hash; the value resolves with the function that ends the watch. */
  watches: Map<string, Promise<() => void>>
}

/** Its methods are shared by all, and find here what they are called for. */
interface SocketListener extends UpdateListener, UpdateTarget {
  readonly socket: ClientSocket
  readonly hash: string
}

export interface SocketWatches {
  watch(socket: ClientSocket, message: unknown, acknowledge: Acknowledge): Promise<void>
  unwatch(socket: ClientSocket, message: unknown): void
  unwatchAll(socket: ClientSocket): void
}

const watchMessageSchema = z.object({
  hash: z.string().refine((hash) => isRequestHash(hash) || isViewToken(hash)),
  version: z.number().int().optional(),
  owner_token: z.unknown().optional(),
})

export function createSocketWatches({
  watcher,
  ownership,
  onRefusal,
  log,
  counter,
}: {
  watcher: RequestWatcher
  ownership: Ownership
  onRefusal: OnRefusal
  log: Log
  counter?: TransportCounter
}): SocketWatches {
  const remove = (socket: ClientSocket, hash: string): boolean => removeWatch(socket.data, hash, counter)
  const stopWatch = (socket: ClientSocket, hash: string): boolean => {
    endWatch(socket.data, hash)
    return remove(socket, hash)
  }

  function onExpired(this: SocketListener): void {
    const { socket, hash } = this
    remove(socket, hash)
    socket.emit('request:expired', { hash })
  }

  /** Watching a request again replaces the watch and returns the current state. */
  async function startWatch(
    socket: ClientSocket,
    hash: string,
    ownerToken: string | null,
  ): Promise<PublicView> {
    const { watches } = socket.data
    stopWatch(socket, hash)
    const listener: SocketListener = { socket, hash, counter, onUpdate: sendUpdate, onExpired }
    const started = checkReader(ownership, socket, hash, ownerToken).then(() => watcher.watch(hash, listener))
    const stop = started.then((watch) => watch.stop)
    // `started` is awaited below and reports a failure; `stop` may have no reader, so its rejection is ignored here.
    stop.catch(() => {})
    watches.set(hash, stop)
    if (counter) counter.watchers++
    try {
      return (await started).latest.view
    } catch (error) {
      if (watches.get(hash) === stop) remove(socket, hash)
      throw error
    }
  }

  return {
    async watch(socket, message, acknowledge) {
      const { watches } = socket.data
      try {
        const { hash, owner_token } = parseWatchMessage(message)
        if (!watches.has(hash) && watches.size >= MAX_WATCHED) {
          throw new AppError('rate_limited', { detail: `A socket watches at most ${MAX_WATCHED} requests.` })
        }
        acknowledge({ ok: true, data: await startWatch(socket, hash, parseOwnerToken(owner_token)) })
        markSuccess(socket.conn)
      } catch (error) {
        const problem = error instanceof AppError ? error : new AppError('internal_error', { cause: error })
        if (problem.status === 500) log.error({ err: problem }, 'a watch failed')
        if (problem.status >= 500) markSuccess(socket.conn)
        onRefusal({ action: 'socket', reason: problem.code })
        acknowledge(toRejection(problem))
      }
    },

    unwatch(socket, message) {
      const parsed = watchMessageSchema.safeParse(message)
      if (parsed.success && stopWatch(socket, parsed.data.hash)) markSuccess(socket.conn)
    },

    unwatchAll(socket) {
      for (const hash of [...socket.data.watches.keys()]) stopWatch(socket, hash)
    },
  }
}

async function checkReader(
  ownership: Ownership,
  { data: { sessionId, userId } }: ClientSocket,
  hash: string,
  ownerToken: string | null,
): Promise<void> {
  await ownership.check(hash, { sessionId, userId: await userId, ownerToken }, 'read')
}

function endWatch({ watches }: SocketState, hash: string): void {
  watches.get(hash)?.then(
    (stop) => stop(),
    () => {},
  )
}

/** @returns whether the request was being watched */
function removeWatch({ watches }: SocketState, hash: string, counter?: TransportCounter): boolean {
  const isRemoved = watches.delete(hash)
  if (isRemoved && counter) counter.watchers--
  return isRemoved
}

export const toRejection = (error: AppError): WatchResponse => ({ ok: false, problem: toProblem(error) })

function parseWatchMessage(message: unknown): z.infer<typeof watchMessageSchema> {
  const parsed = watchMessageSchema.safeParse(message)
  if (parsed.success) return parsed.data
  const { hash } = (message ?? {}) as { hash?: unknown }
  throw typeof hash === 'string' && !isRequestHash(hash) && !isViewToken(hash)
    ? new AppError('request_not_found')
    : new AppError('invalid_parameter', { detail: 'Send { hash, version?, owner_token? }.' })
}
