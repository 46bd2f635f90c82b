/**
 * Keeps a page up to date about one request, over the best transport that works: socket, event stream, poll. While a
 * socket or stream is used, the status is polled as well, because a proxy may hold back what they deliver. The reducer
 * drops views that arrive late or twice.
 */
import { isFinal, type PublicView } from '../../core/domain/record.ts'
import type { Connection } from '../reducer.ts'
import { createConnectionStatus } from './connection-status.ts'
import { pollTransport } from './poll-transport.ts'
import { socketTransport } from './socket-transport.ts'
import { sseTransport } from './sse-transport.ts'
import type { CloseReason, WatchTarget } from './transport.ts'
import { TransportLadder } from './transport-ladder.ts'
import { startVersionCheck } from './version-check.ts'

/** Shorter losses are not shown. */
const SHOW_LOSS_AFTER_MS = 2000
/** How long a page that was just opened may take to find a transport. */
const SHOW_FIRST_LOSS_AFTER_MS = 6000
/** Best first. */
const TRANSPORTS = [socketTransport, sseTransport, pollTransport]
const TRANSPORTS_WITHOUT_STREAM = [socketTransport, pollTransport]

export interface ConnectionOptions extends WatchTarget {
  /**
   * Whether requests to the server share one connection (HTTP/2, HTTP/3). Over HTTP/1.1 each stream holds one of the six
   * connections that a browser opens to a host, for all its tabs together: six open pages would block everything else.
   */
  isMultiplexed: boolean
  onView(view: PublicView): void
  /** The request is missing or expired. The connection is closed. */
  onGone(): void
  /** The request belongs to another submitter, or the session is over. The connection is closed. */
  onNotOwner(): void
  onConnection(connection: Connection): void
}

export interface LiveConnection {
  /** Checks immediately, after the page was asleep or when the user asks. */
  refresh(): void
  /** Opens everything again, after the network was away. */
  reconnect(): void
  /** A hidden page holds no event stream; a page that is shown again is refreshed. */
  setHidden(isHidden: boolean): void
  close(): void
}

export function connect(options: ConnectionOptions): LiveConnection {
  let isClosed = false
  let isHidden = false

  const status = createConnectionStatus(() => ladder.mode, options.onConnection)
  const ladder = new TransportLadder({
    target: options,
    transports: () => (options.isMultiplexed && !isHidden ? TRANSPORTS : TRANSPORTS_WITHOUT_STREAM),
    events: {
      view: handleView,
      end,
      degraded: status.setDegraded,
      up() {
        // The server is back: the better transports need not wait for their next retry.
        if (status.up()) ladder.check(({ isUp }) => !isUp)
      },
      down: () => status.lostAfter(SHOW_LOSS_AFTER_MS),
    },
  })
  const versionCheck = startVersionCheck(options, {
    isDue: () => !ladder.isPolling && ladder.mode !== null,
    isProven: () => ladder.isProven,
    isHidden: () => isHidden,
    onVersion: (version) => ladder.stopLagging(version),
    onUnanswered: () => ladder.check(({ isUp }) => isUp),
    view: handleView,
    degraded: status.setDegraded,
    end,
  })
  open()

  function open(): void {
    ladder.stop()
    status.cancelLoss()
    status.lostAfter(SHOW_FIRST_LOSS_AFTER_MS)
    ladder.start()
  }

  function handleView(view: PublicView): void {
    if (isClosed) return
    if (isFinal(view.status)) close()
    options.onView(view)
  }

  function end(reason: CloseReason): void {
    if (isClosed) return
    close()
    if (reason === 'gone') options.onGone()
    else options.onNotOwner()
  }

  function close(): void {
    isClosed = true
    status.stop()
    versionCheck.stop()
    ladder.stop()
  }

  function refresh(): void {
    if (isClosed) return
    if (!ladder.isPolling) versionCheck.pollNow()
    ladder.check()
  }

  return {
    refresh,
    reconnect() {
      if (isClosed) return
      open()
      versionCheck.pollNow()
    },
    setHidden(is) {
      if (isClosed || is === isHidden) return
      isHidden = is
      if (options.isMultiplexed) ladder.restartFallbacks()
      if (!is) refresh()
    },
    close,
  }
}
