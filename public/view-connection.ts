/** The connection of a request view, driven by the browser's network and page events. */
import { isFinal } from '../core/domain/record.ts'
import { connect, type LiveConnection } from './connection/connect.ts'
import { watchFinal } from './connection/final-watch.ts'
import { isMultiplexed } from './connection/multiplexed.ts'
import type { Page } from './page-data.ts'
import type { Event, State } from './reducer.ts'

export interface ViewConnection {
  /** Does nothing when it is open. A request that has ended has another one than before. */
  open(): void
  close(): void
  /** Checks the status immediately. */
  refresh(): void
}

export interface ViewConnectionOptions {
  /** Origin of the server. */
  server: string
  ownerToken?: string
  page(): Page
  state(): State
  dispatch(event: Event): void
  /** Ends listening to the browser's events. */
  signal: AbortSignal
}

export function createViewConnection({
  server,
  ownerToken,
  page,
  state,
  dispatch,
  signal,
}: ViewConnectionOptions): ViewConnection {
  let connection: LiveConnection | null = null
  let isForFinal = false

  /** The server has a page that gives the reason. */
  function handleEnd(): void {
    connection = null
    dispatch({ type: 'gone' })
  }

  function open(): void {
    const isEnded = isFinal(state().view.status)
    if (connection && isForFinal !== isEnded) close()
    isForFinal = isEnded
    const start = isEnded ? watchFinal : connect
    connection ??= start({
      hash: state().view.hash,
      ownerToken,
      statusUrl: new URL(page().links.status, server).href,
      version: () => state().view.version,
      isMultiplexed: isMultiplexed(server),
      onView: (view) => dispatch({ type: 'view', view, at: page().clock() }),
      onGone: handleEnd,
      onNotOwner: handleEnd,
      onConnection: (connection) => dispatch({ type: 'connection', connection, at: page().clock() }),
    })
    connection.setHidden(document.hidden)
  }

  window.addEventListener('online', () => connection?.reconnect(), { signal })
  const showOffline = (): void => dispatch({ type: 'connection', connection: 'offline', at: page().clock() })
  window.addEventListener('offline', showOffline, { signal })
  // After sleep, another tab or the back-forward cache, updates may have been missed.
  document.addEventListener('visibilitychange', () => connection?.setHidden(document.hidden), { signal })
  window.addEventListener('pageshow', (event) => event.persisted && connection?.reconnect(), { signal })

  function close(): void {
    connection?.close()
    connection = null
  }

  return {
    open,
    close,
    refresh: () => connection?.refresh(),
  }
}
