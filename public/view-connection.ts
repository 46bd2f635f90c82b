/** The connection of a request view: open while the request runs, and driven by the browser's network and page events. */
import { connect, type LiveConnection } from './connection/connect.ts'
import { isMultiplexed } from './connection/multiplexed.ts'
import type { Page } from './page-data.ts'
import type { Event, State } from './reducer.ts'

export interface ViewConnection {
  /** Does nothing when it is open. */
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

  /** The server has a page that gives the reason. */
  function handleEnd(): void {
    connection = null
    dispatch({ type: 'gone' })
  }

  function open(): void {
    connection ??= connect({
      hash: state().view.hash,
      ownerToken,
      statusUrl: new URL(page().links.status, server).href,
      version: () => state().view.version,
      isMultiplexed: isMultiplexed(server),
      onView: (view) => dispatch({ type: 'view', view, at: page().clock() }),
      onGone: handleEnd,
      onNotOwner: handleEnd,
      onConnection: (connection) => dispatch({ type: 'connection', connection }),
    })
    connection.setHidden(document.hidden)
  }

  window.addEventListener('online', () => connection?.reconnect(), { signal })
  window.addEventListener('offline', () => dispatch({ type: 'connection', connection: 'offline' }), {
    signal,
  })
  // After sleep, another tab or the back-forward cache, updates may have been missed.
  document.addEventListener('visibilitychange', () => connection?.setHidden(document.hidden), { signal })
  window.addEventListener('pageshow', (event) => event.persisted && connection?.reconnect(), { signal })

  return {
    open,
    close() {
      connection?.close()
      connection = null
    },
    refresh: () => connection?.refresh(),
  }
}
