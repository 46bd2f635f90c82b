/**
 * One request, shown somewhere and kept up to date: on a page of ours, or in an element on somebody else's. The
 * server's HTML is the truth; this only spares people the reloading.
 */
import { isFinal } from '../core/domain/record.ts'
import { describeRequest, type RequestDescription } from '../core/presentation/describe-request.ts'
import { type Announce, createAnnouncer, type Region } from './announcer.ts'
import { connect, type LiveConnection } from './connection/connect.ts'
import { isMultiplexed } from './connection/multiplexed.ts'
import { revealControls, showExpiring, showLocalTimes, showState } from './dom.ts'
import { type Page, readPage } from './page-data.ts'
import { type Event, firstState, pageKind, reduce, remainingSeconds, type State } from './reducer.ts'

/** How soon the same page is asked for again, when it could not be had or was behind. */
const LOAD_EVERY_MS = 1000

/** Where a request is shown. */
export interface ViewHost {
  /** Origin of the server. */
  server: string
  /** What shows it now. */
  main(): HTMLElement
  /**
   * Puts the server's page of this address in its place, and the focus where it goes on; false when it could not be had
   * and should be tried again.
   */
  load(path: string): Promise<boolean>
  /** What a screen reader is to be told. */
  announce(region: Region, text: string): void
  /** On every change and every second: what there is to tell beyond the page's content. */
  onChange(state: State, words: RequestDescription, page: Page): void
  /** The server's page is not about the request any more: it is gone, or somebody else's. */
  onGone?(): void
  /** The token that the submit was answered with, where only the submitter may look. */
  ownerToken?: string
}

export interface RequestView {
  /** Asks at once how it stands. */
  refresh(): void
  /** The stage has got another page of the same request. */
  pageReplaced(): void
  stop(): void
}

/** @returns null where the stage shows no request */
export function showRequest(stage: ViewHost): RequestView | null {
  const first = readPage(stage.main())
  if (!first) return null
  let page = first
  let state = firstState(page.view, page.clock())
  let shownKind = pageKind(state.view)
  let lastLoadAt = Number.NEGATIVE_INFINITY
  let isLoading = false
  let connection: LiveConnection | null = null
  const announce: Announce = createAnnouncer(state, page.clock(), stage.announce)

  function dispatch(event: Event): void {
    const before = state
    state = reduce(state, event)
    if (state !== before) show()
  }

  /** On every change and every second, since words like "1 minute ago" age by themselves. */
  function show(): void {
    const now = page.clock()
    announce(state, page)
    const words = describeRequest(state.view, {
      ...page,
      now,
      remainingSeconds: remainingSeconds(state, now),
    })
    stage.onChange(state, words, page)
    showExpiring(stage.main(), state, page)
    if (Date.parse(state.view.expires_at) < now) state = reduce(state, { type: 'gone' })
    if (state.gone || pageKind(state.view) !== shownKind) void load()
    else if (!isFinal(state.view.status)) showState(stage.main(), state, words, page)
  }

  /** The state is of another kind than the page: the server has the page that fits. */
  async function load(): Promise<void> {
    if (isLoading || Date.now() - lastLoadAt < LOAD_EVERY_MS) return
    // A question is answered first, unless there is nothing left to ask about.
    if (!isFinal(state.view.status) && !state.gone && stage.main().querySelector('dialog[open]')) return
    isLoading = true
    const loaded = await stage.load(isFinal(state.view.status) ? page.links.result : page.links.progress)
    isLoading = false
    lastLoadAt = Date.now()
    if (loaded && !listening.signal.aborted) pageReplaced()
  }

  function pageReplaced(): void {
    const fresh = prepare()
    if (!fresh) {
      stop()
      stage.onGone?.()
      return
    }
    page = fresh
    shownKind = pageKind(page.view)
    state = reduce({ ...state, gone: false }, { type: 'view', view: page.view, at: page.clock() })
    if (isFinal(state.view.status)) disconnect()
    else stayConnected()
    show()
  }

  function prepare(): Page | null {
    showLocalTimes(stage.main())
    revealControls(stage.main())
    return readPage(stage.main())
  }

  function stayConnected(): void {
    connection ??= connect({
      hash: state.view.hash,
      ownerToken: stage.ownerToken,
      statusUrl: new URL(page.links.status, stage.server).href,
      version: () => state.view.version,
      isMultiplexed: isMultiplexed(stage.server),
      onView: (view) => dispatch({ type: 'view', view, at: page.clock() }),
      onGone: lose,
      onNotOwner: lose,
      onConnection: (connection) => dispatch({ type: 'connection', connection }),
    })
    connection.setHidden(document.hidden)
  }

  /** The server has a page that says why. */
  function lose(): void {
    connection = null
    dispatch({ type: 'gone' })
  }

  function disconnect(): void {
    connection?.close()
    connection = null
  }

  function stop(): void {
    listening.abort()
    clearInterval(ticker)
    disconnect()
  }

  const refresh = (): void => connection?.refresh()
  const ticker = setInterval(show, 1000)
  const listening = new AbortController()
  const heard = { signal: listening.signal }
  window.addEventListener('online', () => connection?.reconnect(), heard)
  window.addEventListener('offline', () => dispatch({ type: 'connection', connection: 'offline' }), heard)
  // Back from sleep, from another tab or from the back-forward cache: ask at once what was missed.
  document.addEventListener('visibilitychange', () => connection?.setHidden(document.hidden), heard)
  window.addEventListener('pageshow', (event) => event.persisted && connection?.reconnect(), heard)
  prepare()
  if (!isFinal(state.view.status)) stayConnected()
  show()
  return { refresh, pageReplaced, stop }
}
