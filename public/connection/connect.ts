/**
 * Keeps hearing about one request in the best way there is: socket, event stream, poll. A way that cannot deliver goes on
 * trying while the next one steps in; once it delivers again, those after it are stopped. While a socket or a stream is
 * used, the status is polled as well, to find out whether it lags: a proxy may hold back what it passes on. What is heard
 * twice meanwhile, or late, is the reducer's business.
 */
import { isFinal, type PublicView } from '../../core/domain/record.ts'
import type { Connection } from '../reducer.ts'
import { byPoll } from './poll-transport.ts'
import { bySocket } from './socket-transport.ts'
import { byEventStream } from './sse-transport.ts'
import {
  type ActiveTransport,
  type CloseReason,
  jittered,
  type Transport,
  type TransportEvents,
  type WatchTarget,
} from './transport.ts'
import { startVersionCheck } from './version-check.ts'

/** Shorter losses are not worth a word, nor another way: what was lost usually comes back. */
const QUIET_MS = 2000
/** How long a page that has just been opened may take to find its way. */
const FIRST_QUIET_MS = 6000
/** How much later than a poll a socket or stream may deliver the same version before it counts as lagging. */
const MAX_LAG_MS = 1000
/** A way that lagged is tried again after this time, doubled with each time that it lags. */
const RETRY_LAGGING_MS = 15_000
const MAX_RETRY_LAGGING_MS = 600_000

export interface ConnectionOptions extends WatchTarget {
  /**
   * Whether requests to the server share one connection (HTTP/2, HTTP/3). Over HTTP/1.1 each stream holds one of the six
   * connections that a browser opens to a host, for all its tabs together: six open pages would block everything else.
   */
  isMultiplexed: boolean
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
  /** A hidden page holds no event stream; a page that is shown again asks at once. */
  setHidden(isHidden: boolean): void
  close(): void
}

export function connect(options: ConnectionOptions): LiveConnection {
  /** The ways that are tried now: always the best ones. */
  const rungs: ActiveTransport[] = []
  let quiet: ReturnType<typeof setTimeout> | undefined
  let isLost = false
  let isClosed = false
  let isHidden = false
  let isDegraded = false

  /** The best first. */
  const ways = (): Transport[] =>
    options.isMultiplexed && !isHidden ? [bySocket, byEventStream, byPoll] : [bySocket, byPoll]

  function start(place: number, { lags = 0, afterMs = 0 } = {}): void {
    const way = ways()[place]
    if (!way) return
    const rung: ActiveTransport = { way, isUp: false, heard: 0, lags }
    rungs[place] = rung
    const run = (): void => {
      rung.timer = undefined
      rung.running = way(options, earsOf(rung, place))
    }
    if (afterMs > 0) rung.timer = setTimeout(run, afterMs)
    else run()
  }

  function stopFrom(place: number): void {
    for (const rung of rungs.splice(place)) stop(rung)
  }

  function stop(rung: ActiveTransport): void {
    clearTimeout(rung.timer)
    rung.running?.stop()
  }

  function earsOf(rung: ActiveTransport, place: number): TransportEvents {
    const isStopped = (): boolean => rungs[place] !== rung
    return {
      view(view) {
        if (isStopped()) return
        rung.heard = Math.max(rung.heard, view.version)
        take(view)
      },
      end: (why) => !isStopped() && end(why),
      degraded: (is) => !isStopped() && setDegraded(is),
      up() {
        if (isStopped()) return
        rung.isUp = true
        clearTimeout(rung.timer)
        rung.timer = undefined
        stopFrom(place + 1)
        stopQuiet()
        const wasLost = isLost
        isLost = false
        report()
        // The server is there again: the better ways need not wait any longer.
        for (const better of rungs.slice(0, place)) if (wasLost) better.running?.check()
      },
      down({ pauseMs = 0, code } = {}) {
        if (isStopped()) return
        if (code === 'storage_unavailable') setDegraded(true)
        const mayComeBack = rung.isUp || pauseMs > 0
        rung.isUp = false
        sayLostAfter(QUIET_MS)
        if (rungs.length > place + 1) return
        const waitMs = mayComeBack ? pauseMs + QUIET_MS * (1 + Math.random() / 2) : 0
        rung.timer ??= setTimeout(start, waitMs, place + 1)
      },
    }
  }

  /** Says how the page hears now, or that it does not. */
  function report(): void {
    const used = rungs.find(({ isUp }) => isUp)
    if (!used && !isLost) return
    if (isDegraded) options.onConnection('degraded')
    else if (used) options.onConnection(used.way === byPoll ? 'polling' : 'live')
    else options.onConnection(navigator.onLine ? 'reconnecting' : 'offline')
  }

  function setDegraded(is: boolean): void {
    if (isClosed || isDegraded === is) return
    isDegraded = is
    report()
  }

  /** Unless a way is up, or up again by then. */
  function sayLostAfter(ms: number): void {
    if (rungs.some(({ isUp }) => isUp)) return
    quiet ??= setTimeout(() => {
      isLost = true
      report()
    }, ms)
  }

  function stopQuiet(): void {
    clearTimeout(quiet)
    quiet = undefined
  }

  /** Leaves each socket or stream that has not delivered, within a moment, the version that a poll has found. */
  function leaveLagging(version: number): void {
    const behind = rungs.filter(({ isUp, heard }) => isUp && heard < version)
    if (behind.length === 0) return
    setTimeout(() => {
      for (const rung of behind) {
        const place = rungs.indexOf(rung)
        if (place >= 0 && rung.isUp && rung.heard < version) leave(rung, place)
      }
    }, MAX_LAG_MS)
  }

  function leave(rung: ActiveTransport, place: number): void {
    stop(rung)
    const afterMs = jittered(Math.min(MAX_RETRY_LAGGING_MS, RETRY_LAGGING_MS * 2 ** rung.lags))
    start(place, { lags: rung.lags + 1, afterMs })
    if (rungs.length === place + 1) start(place + 1)
    sayLostAfter(QUIET_MS)
  }

  function take(view: PublicView): void {
    if (isClosed) return
    if (isFinal(view.status)) close()
    options.onView(view)
  }

  function end(why: CloseReason): void {
    if (isClosed) return
    close()
    if (why === 'gone') options.onGone()
    else options.onNotOwner()
  }

  function close(): void {
    isClosed = true
    stopQuiet()
    versionCheck.stop()
    stopFrom(0)
  }

  function begin(): void {
    stopFrom(0)
    stopQuiet()
    sayLostAfter(FIRST_QUIET_MS)
    start(0)
  }

  const isPolling = (): boolean => rungs.at(-1)?.way === byPoll
  const versionCheck = startVersionCheck(options, {
    isDue: () => !isPolling() && rungs.some(({ isUp }) => isUp),
    isHidden: () => isHidden,
    onVersion: leaveLagging,
    onUnanswered() {
      for (const { isUp, running } of rungs) if (isUp) running?.check()
    },
    view: take,
    degraded: setDegraded,
    end,
  })
  begin()

  function refresh(): void {
    if (isClosed) return
    if (!isPolling()) versionCheck.pollNow()
    for (const { running } of rungs) running?.check()
  }

  return {
    refresh,
    reconnect() {
      if (isClosed) return
      begin()
      versionCheck.pollNow()
    },
    setHidden(is) {
      if (isClosed || is === isHidden) return
      isHidden = is
      if (options.isMultiplexed && rungs.length > 1) {
        stopFrom(1)
        start(1)
      }
      if (!is) refresh()
    },
    close,
  }
}
