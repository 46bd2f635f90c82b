/**
 * Keeps hearing about one request in the best way there is: socket, event stream, long poll, poll. A way that cannot
 * deliver goes on trying while the next one steps in; once it delivers again, those after it are stopped. What is heard
 * twice meanwhile, or late, is the reducer's business.
 */
import { isFinal, type PublicView } from '../core/record.ts'
import { keepAsking } from './connection/asking.ts'
import { byEventStream } from './connection/by-event-stream.ts'
import { byLongPoll } from './connection/by-long-poll.ts'
import { byPoll, createPoll, POLL_MS } from './connection/by-poll.ts'
import { bySocket } from './connection/by-socket.ts'
import type { Ears, End, Running, Watched, Way } from './connection/way.ts'
import type { Connection } from './reducer.ts'

/** The best first. */
const WAYS: readonly Way[] = [bySocket, byEventStream, byLongPoll, byPoll]
/** Shorter losses are not worth a word, nor another way: what was lost usually comes back. */
const QUIET_MS = 2000
/** How long a page that has just been opened may take to find its way. */
const FIRST_QUIET_MS = 6000

export interface ConnectionOptions extends Watched {
  /** Whether something moves that no update tells of: the place in the queue. */
  needsPolling(): boolean
  onView(view: PublicView): void
  /** Nothing follows, and it need not be closed. */
  onGone(): void
  /** As above: the request is somebody else's, or the session is over. */
  onNotOwner(): void
  onConnection(connection: Connection): void
}

export interface LiveConnection {
  /** Asks at once: the page was asleep, or somebody wants to know. */
  refresh(): void
  /** The network was away: nothing from before can be relied on. */
  reconnect(): void
  close(): void
}

interface Rung {
  running?: Running
  isUp: boolean
  /** Starts the next one, unless this one is back by then. */
  next?: ReturnType<typeof setTimeout>
}

export function connect(options: ConnectionOptions): LiveConnection {
  /** The ways that are tried now: always the best ones. */
  const rungs: Rung[] = []
  let quiet: ReturnType<typeof setTimeout> | undefined
  let isLost = false
  let isClosed = false
  let wantsPoll = false

  function start(place: number): void {
    const way = WAYS[place]
    if (!way) return
    const rung: Rung = { isUp: false }
    rungs[place] = rung
    rung.running = way(options, earsOf(rung, place))
  }

  function stopFrom(place: number): void {
    for (const rung of rungs.splice(place)) {
      clearTimeout(rung.next)
      rung.running?.stop()
    }
  }

  function earsOf(rung: Rung, place: number): Ears {
    const isStopped = (): boolean => rungs[place] !== rung
    return {
      view: (view) => !isStopped() && take(view),
      end: (why) => !isStopped() && end(why),
      up() {
        if (isStopped()) return
        rung.isUp = true
        clearTimeout(rung.next)
        rung.next = undefined
        stopFrom(place + 1)
        clearTimeout(quiet)
        quiet = undefined
        options.onConnection(place === WAYS.length - 1 ? 'polling' : 'live')
        if (!isLost) return
        isLost = false
        // The server is there again: the better ways need not wait any longer.
        for (const better of rungs.slice(0, place)) better.running?.check()
      },
      down(pauseMs = 0) {
        if (isStopped()) return
        const mayComeBack = rung.isUp || pauseMs > 0
        rung.isUp = false
        if (!rungs.some(({ isUp }) => isUp)) sayLostAfter(QUIET_MS)
        if (rungs.length > place + 1) return
        const waitMs = mayComeBack ? pauseMs + QUIET_MS * (1 + Math.random() / 2) : 0
        rung.next ??= setTimeout(start, waitMs, place + 1)
      },
    }
  }

  function sayLostAfter(ms: number): void {
    quiet ??= setTimeout(() => {
      isLost = true
      options.onConnection(navigator.onLine ? 'reconnecting' : 'offline')
    }, ms)
  }

  function take(view: PublicView): void {
    if (isClosed) return
    if (isFinal(view.status)) close()
    options.onView(view)
  }

  function end(why: End): void {
    if (isClosed) return
    close()
    if (why === 'gone') options.onGone()
    else options.onNotOwner()
  }

  function close(): void {
    isClosed = true
    clearTimeout(quiet)
    aside.stop()
    stopFrom(0)
  }

  function begin(): void {
    stopFrom(0)
    clearTimeout(quiet)
    quiet = undefined
    sayLostAfter(FIRST_QUIET_MS)
    start(0)
  }

  const poll = createPoll(options, { view: take })
  /** For what the ways do not tell of, and for who wants to know now. */
  const aside = keepAsking(
    { down() {}, end },
    async (attempt) => {
      if ((wantsPoll || options.needsPolling()) && rungs.length < WAYS.length) await poll(attempt)
      wantsPoll = false
      return POLL_MS
    },
    { firstAfterMs: POLL_MS },
  )
  begin()

  return {
    refresh() {
      if (isClosed) return
      wantsPoll = true
      aside.check()
      for (const { running } of rungs) running?.check()
    },
    reconnect() {
      if (isClosed) return
      begin()
      wantsPoll = true
      aside.check()
    },
    close,
  }
}
