/**
 * Keeps hearing about one request: by socket, and by polling the status whenever the socket is not there (yet). Says
 * what it heard and how it is connected; what that means is the reducer's business.
 */
import { io } from 'socket.io-client'
import type { PublicView } from '../core/record.ts'
import type { Connection } from './reducer.ts'

const POLL_MS = 5000
/** How long the socket may take at first before polling begins. */
const PATIENCE_MS = 3000
/** How soon a poll that failed is made good: a server that is being restarted is away for a moment only. */
const POLL_AGAIN_MS = 1000
/** Shorter losses are not worth a word. */
const QUIET_MS = 2000

export interface ConnectionOptions {
  hash: string
  /** Where the server is, when it is not where the page came from. */
  origin?: string
  statusUrl: string
  /** The version shown now. */
  version(): number
  /** Whether something moves that no update tells of: the place in the queue. */
  needsPolling(): boolean
  onView(view: PublicView): void
  onGone(): void
  onConnection(connection: Connection): void
}

export interface LiveConnection {
  /** Asks at once: the page was asleep, or somebody wants to know. */
  refresh(): void
  /** The network was away: a socket from before may be dead and not know it. */
  reconnect(): void
  close(): void
}

type WatchAnswer = { ok: true; data: PublicView } | { ok: false; problem: { status: number } }

export function connect(options: ConnectionOptions): LiveConnection {
  const socket = io(options.origin ?? location.origin, { transports: ['websocket'], forceNew: true })
  let isWatching = false
  let isClosed = false
  let etag = ''
  let polls = 0
  let quiet: ReturnType<typeof setTimeout> | undefined
  let again: ReturnType<typeof setTimeout> | undefined

  function watch(): void {
    socket
      .timeout(POLL_MS)
      .emit(
        'request:watch',
        { hash: options.hash, version: options.version() },
        (late: Error | null, answer?: WatchAnswer) => {
          if (late || !answer || isClosed) return
          if (answer.ok) {
            isWatching = true
            say('live')
            options.onView(answer.data)
          } else if (isMissing(answer.problem.status)) options.onGone()
        },
      )
  }

  function lost(): void {
    isWatching = false
    quiet ??= setTimeout(() => void poll('reconnecting'), QUIET_MS)
  }

  function say(connection: Connection): void {
    clearTimeout(quiet)
    quiet = undefined
    if (!isClosed) options.onConnection(connection)
  }

  /** @param meanwhile what to say until the answer is there */
  async function poll(meanwhile?: Connection): Promise<void> {
    clearTimeout(again)
    if (meanwhile && !isWatching) say(meanwhile)
    const turn = ++polls
    try {
      const headers = { Accept: 'application/json', ...(etag && { 'If-None-Match': etag }) }
      const answer = await fetch(options.statusUrl, {
        headers,
        cache: 'no-store',
        signal: AbortSignal.timeout(POLL_MS),
      })
      if (isClosed || turn !== polls) return
      if (isMissing(answer.status)) return options.onGone()
      if (answer.ok) {
        const view = (await answer.json()) as PublicView
        etag = answer.headers.get('ETag') ?? ''
        options.onView(view)
      } else if (answer.status !== 304) throw new Error(`status ${answer.status}`)
      say(isWatching ? 'live' : 'polling')
    } catch {
      if (isWatching || isClosed || turn !== polls) return
      say(navigator.onLine ? 'reconnecting' : 'offline')
      // Not all pages at once: they were all cut off by the same server.
      again = setTimeout(() => !isWatching && void poll(), POLL_AGAIN_MS * (1 + Math.random()))
    }
  }

  socket.on('connect', watch)
  socket.on('disconnect', lost)
  socket.on('request:update', (view: PublicView) => options.onView(view))
  socket.on('request:expired', ({ hash }: { hash: string }) => hash === options.hash && options.onGone())

  const patience = setTimeout(() => !isWatching && void poll(), PATIENCE_MS)
  const ticker = setInterval(() => {
    if (socket.connected && !isWatching) watch()
    // Sent away by a server, the client would stay away for good.
    else if (!socket.active) socket.connect()
    if ((!isWatching && !quiet) || options.needsPolling()) void poll()
  }, POLL_MS)

  return {
    refresh() {
      if (!socket.connected) socket.connect()
      void poll()
    },
    reconnect() {
      socket.disconnect().connect()
      void poll()
    },
    close() {
      isClosed = true
      clearTimeout(patience)
      clearTimeout(quiet)
      clearTimeout(again)
      clearInterval(ticker)
      socket.close()
    },
  }
}

const isMissing = (status: number): boolean => status === 404 || status === 410
