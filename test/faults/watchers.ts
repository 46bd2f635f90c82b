/**
 * Watchers: pages (with the code that runs in the browser), plain sockets, event streams, long polls and polls. Each stores
 * the latest state, detects a state older than before, and reconnects when its connection breaks.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { io } from 'socket.io-client'
import { isFinal, type PublicView } from '../../core/domain/record.ts'
import { connect } from '../../public/connection/connect.ts'
import { firstState, isStale, reduce } from '../../public/reducer.ts'

export type Way = 'page' | 'socket' | 'events' | 'long-poll' | 'poll'
export const WAYS: readonly Way[] = ['page', 'socket', 'events', 'long-poll', 'poll']

export interface Silence {
  /** Without the time in which this process was late itself: it stands in for hundreds of browsers. */
  ms: number
  wallMs: number
  /** The states before and after it, and when it ended. */
  what: string
}

export interface Watcher {
  readonly way: Way
  readonly hash: string
  /** The state it shows; null before the first answer. */
  readonly shown: PublicView | null
  /** Whether the request was reported as missing. */
  readonly isGone: boolean
  /** When it first showed a final state or a missing request, milliseconds; null before that. */
  readonly settledAt: number | null
  /** Every state that was older than the one before, also after a reconnect. */
  readonly wentBack: readonly string[]
  /** The longest time without news, of a request that is not at its end and waits for no answer. */
  readonly longestSilence: Silence
  /** What the page showed of a bad connection. */
  readonly troubles: readonly string[]
  stop(): void
}

/** Delay before a program retries a server that it could not reach. */
const RETRY_MS = 500
const POLL_MS = 1000
/** The server's `retry:` value. */
const EVENTS_RETRY_MS = 2000

// What public/connection/connection-status.ts reads from the browser.
Object.defineProperty(globalThis, 'navigator', { value: { onLine: true }, configurable: true })

const TICK_MS = 20

/** Milliseconds in which this process kept up. */
function createOwnClock(): () => number {
  let ownMs = 0
  let tickedAt = performance.now()
  setInterval(() => {
    const now = performance.now()
    ownMs += Math.min(now - tickedAt, 2 * TICK_MS)
    tickedAt = now
  }, TICK_MS).unref()
  return () => ownMs
}
let ownClock: (() => number) | undefined

/** @param url a server's address */
export function watch(way: Way, url: string, hash: string): Watcher {
  ownClock ??= createOwnClock()
  const now = ownClock
  const seen = {
    shown: null as PublicView | null,
    isGone: false,
    settledAt: null as number | null,
    wentBack: [] as string[],
    newsAt: { own: now(), wall: performance.now() },
    longestSilence: { ms: 0, wallMs: 0, what: '' } as Silence,
    troubles: [] as string[],
  }
  let isStopped = false
  let stopWay: (() => void) | undefined
  const stop = (): void => {
    isStopped = true
    stopWay?.()
  }
  const settle = (): void => {
    seen.settledAt ??= Date.now()
    stop()
  }
  const onView = (view: PublicView): void => {
    if (isStopped) return
    const before = seen.shown
    if (before && (view.version < before.version || view.progress < before.progress))
      seen.wentBack.push(`${describe(before)} → ${describe(view)}`)
    if (view.version !== before?.version) {
      const newsAt = { own: now(), wall: performance.now() }
      const [ms, wallMs] = [newsAt.own - seen.newsAt.own, newsAt.wall - seen.newsAt.wall]
      const what = `${describe(before)} → ${describe(view)} at ${new Date().toISOString()}`
      if (!before?.requires_otp && ms > seen.longestSilence.ms) seen.longestSilence = { ms, wallMs, what }
      seen.newsAt = newsAt
    }
    seen.shown = view
    if (isFinal(view.status)) settle()
  }
  const onMissing = (): void => {
    if (isStopped) return
    seen.isGone = true
    settle()
  }
  stopWay = START[way]({
    url,
    hash,
    onView,
    onMissing,
    onTrouble: (what) => void seen.troubles.push(what),
    isStopped: () => isStopped,
    version: () => seen.shown?.version ?? 0,
  })
  if (isStopped) stopWay()
  return {
    way,
    hash,
    get shown() {
      return seen.shown
    },
    get isGone() {
      return seen.isGone
    },
    get settledAt() {
      return seen.settledAt
    },
    wentBack: seen.wentBack,
    get longestSilence() {
      return seen.longestSilence
    },
    troubles: seen.troubles,
    stop,
  }
}

const describe = (view: PublicView | null): string =>
  view ? `${view.version} (${view.status}, ${view.progress} %)` : 'nothing'

interface WatcherContext {
  url: string
  hash: string
  onView(view: PublicView): void
  onMissing(): void
  onTrouble(what: string): void
  isStopped(): boolean
  version(): number
}

const START: Record<Way, (context: WatcherContext) => () => void> = {
  page: startPage,
  socket: startSocket,
  events: startEvents,
  'long-poll': (context) => startPolling(context, () => `?after=${context.version()}&wait=25`, 0),
  poll: (context) => startPolling(context, () => '', POLL_MS),
}

/** The connection and the reducer of the page; the shown state is compared. */
function startPage({ url, hash, onView, onMissing, onTrouble }: WatcherContext): () => void {
  let state: ReturnType<typeof firstState> | null = null
  const connection = connect({
    hash,
    statusUrl: `${url}/api/local-requests/${hash}/status`,
    version: () => state?.view.version ?? 0,
    isMultiplexed: true,
    onView(view) {
      const before = state
      state = state ? reduce(state, { type: 'view', view, at: Date.now() }) : firstState(view, Date.now())
      if (state !== before) onView(state.view)
    },
    onGone: onMissing,
    onNotOwner: onMissing,
    onConnection: (connection) => isStale(connection) && onTrouble(connection),
  })
  return () => connection.close()
}

/** A program on a socket: watches again after each connect and accepts every message. */
function startSocket({ url, hash, onView, onMissing, version }: WatcherContext): () => void {
  const socket = io(url, { transports: ['websocket'], forceNew: true, reconnectionDelayMax: RETRY_MS })
  socket.on('connect', () => {
    socket
      .timeout(RETRY_MS * 4)
      .emit('request:watch', { hash, version: version() }, (_late: Error | null, answer?: WatchAnswer) => {
        if (answer?.ok) onView(answer.data)
        else if (isMissing(answer?.problem.status)) onMissing()
        // Redis is unavailable: retry on another connection.
        else setTimeout(() => socket.connected && socket.disconnect().connect(), RETRY_MS)
      })
  })
  socket.on('request:update', (view: PublicView) => view.hash === hash && onView(view))
  socket.on('request:expired', (message: { hash: string }) => message.hash === hash && onMissing())
  return () => socket.close()
}
type WatchAnswer = { ok: true; data: PublicView } | { ok: false; problem: { status: number } }

/** Like an EventSource: when the stream ends or breaks, it is requested again from the last id on. */
function startEvents({ url, hash, onView, onMissing, isStopped }: WatcherContext): () => void {
  const abort = new AbortController()
  let lastId = ''
  const onEvent = (event: string): void => {
    const field = (name: string): string => event.match(new RegExp(`^${name}: (.*)$`, 'm'))?.[1] ?? ''
    lastId = field('id') || lastId
    if (field('event') === 'update') onView(JSON.parse(field('data')))
    if (field('event') === 'expired') onMissing()
  }
  const listen = async (): Promise<void> => {
    const answer = await fetch(`${url}/api/local-requests/${hash}/events`, {
      headers: lastId === '' ? {} : { 'last-event-id': lastId },
      signal: abort.signal,
    })
    if (isMissing(answer.status)) onMissing()
    let text = ''
    for await (const chunk of answer.body?.pipeThrough(new TextDecoderStream()) ?? []) {
      const events = (text + chunk).split('\n\n')
      text = events.pop() ?? ''
      events.forEach(onEvent)
    }
  }
  const run = async (): Promise<void> => {
    while (!isStopped()) {
      await listen().catch(() => {})
      if (!isStopped()) await sleep(EVENTS_RETRY_MS)
    }
  }
  void run()
  return () => abort.abort()
}

function startPolling(context: WatcherContext, query: () => string, everyMs: number): () => void {
  const abort = new AbortController()
  const ask = async (): Promise<void> => {
    const answer = await fetch(`${context.url}/api/local-requests/${context.hash}/status${query()}`, {
      signal: abort.signal,
    })
    if (answer.ok) context.onView((await answer.json()) as PublicView)
    else await answer.body?.cancel()
    if (isMissing(answer.status)) context.onMissing()
    else if (answer.status !== 200 && answer.status !== 304) throw new Error(`status ${answer.status}`)
  }
  const run = async (): Promise<void> => {
    while (!context.isStopped()) {
      const again = await ask().then(
        () => everyMs,
        () => RETRY_MS,
      )
      if (!context.isStopped()) await sleep(again)
    }
  }
  void run()
  return () => abort.abort()
}

const isMissing = (status: number | undefined): boolean => status === 404 || status === 410
