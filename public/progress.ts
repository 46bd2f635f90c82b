/** A request page, kept up to date. The server's HTML is the truth; this only spares the person the reloading. */
import { isFinal } from '../core/record.ts'
import { createAnnouncer } from './announcer.ts'
import { connect, type LiveConnection } from './connection.ts'
import { listenToControls, revealControls } from './controls.ts'
import { showExpiring, showLocalTimes, showState } from './dom.ts'
import { loadPage } from './load-page.ts'
import { type Page, readPage } from './page-data.ts'
import { type Event, firstState, pageKind, reduce } from './reducer.ts'

/** How soon the same page is asked for again, when it could not be had or was behind. */
const LOAD_EVERY_MS = 1000

const first = readPage()
if (first) keepUpToDate(first)

function keepUpToDate(firstPage: Page): void {
  let page = firstPage
  let state = firstState(page.view, page.clock())
  let shownKind = pageKind(state.view)
  let lastLoadAt = Number.NEGATIVE_INFINITY
  let isLoading = false
  let connection: LiveConnection | null = null
  const announce = createAnnouncer(state, page.clock(), (region, text) => {
    const element = document.getElementById(region)
    if (element) element.textContent = text
  })

  function dispatch(event: Event): void {
    const before = state
    state = reduce(state, event)
    if (state !== before) show()
  }

  /** On every change and every second, since words like "1 minute ago" age by themselves. */
  function show(): void {
    announce(state, page)
    showExpiring(state, page)
    if (Date.parse(state.view.expires_at) < page.clock()) state = reduce(state, { type: 'gone' })
    if (state.gone || pageKind(state.view) !== shownKind) void load()
    else if (!isFinal(state.view.status)) showState(state, page)
  }

  /** The state is of another kind than the page: the server has the page that fits. */
  async function load(): Promise<void> {
    if (isLoading || Date.now() - lastLoadAt < LOAD_EVERY_MS) return
    isLoading = true
    const loaded = await loadPage(isFinal(state.view.status) ? page.links.result : page.links.progress)
    isLoading = false
    lastLoadAt = Date.now()
    if (loaded) arrive()
  }

  function arrive(): void {
    const fresh = readPage()
    showLocalTimes()
    revealControls()
    if (!fresh) {
      stop()
      return
    }
    page = fresh
    shownKind = pageKind(page.view)
    state = reduce({ ...state, gone: false }, { type: 'view', view: page.view, at: page.clock() })
    // Whoever is brought to a code prompt was typing nowhere else: the page before had no field.
    if (state.view.requires_otp) document.getElementById('otp')?.focus()
    if (isFinal(state.view.status)) disconnect()
    else stayConnected()
    show()
  }

  function stayConnected(): void {
    connection ??= connect({
      hash: state.view.hash,
      statusUrl: page.links.status,
      version: () => state.view.version,
      needsPolling: () => state.view.status === 'pending',
      onView: (view) => dispatch({ type: 'view', view, at: page.clock() }),
      onGone() {
        connection = null
        dispatch({ type: 'gone' })
      },
      // The server has a page that says so.
      onNotOwner: () => location.reload(),
      onConnection: (connection) => dispatch({ type: 'connection', connection }),
    })
  }

  function disconnect(): void {
    connection?.close()
    connection = null
  }

  function stop(): void {
    clearInterval(ticker)
    disconnect()
  }

  const refresh = (): void => connection?.refresh()
  const ticker = setInterval(show, 1000)
  listenToControls(refresh)
  revealControls()
  showLocalTimes()
  if (!isFinal(state.view.status)) {
    stayConnected()
    show()
  }
  window.addEventListener('online', () => connection?.reconnect())
  window.addEventListener('offline', () => dispatch({ type: 'connection', connection: 'offline' }))
  // Back from sleep, from another tab or from the back-forward cache: ask at once what was missed.
  document.addEventListener('visibilitychange', () => document.visibilityState === 'visible' && refresh())
  window.addEventListener('pageshow', (event) => event.persisted && connection?.reconnect())
}
