/**
 * Shows one request and keeps it up to date, on its own page or in an element on another site. The server's HTML is the
 * source of truth; the script saves the reloads.
 */
import { isFinal } from '../core/domain/record.ts'
import type { RequestDescription } from '../core/presentation/describe-request.ts'
import { type Announce, createAnnouncer, type Region } from './announcer.ts'
import { describeState, easeProgress } from './describe-state.ts'
import { closeBar, hideUnsupported, showExpiring, showLocalTimes, showState } from './dom.ts'
import { type Page, readPage } from './page-data.ts'
import { showPrompt } from './prompt.ts'
import { type Event, firstState, pageKind, reduce, type State } from './reducer.ts'
import { createTimeline } from './timeline.ts'
import { createViewConnection } from './view-connection.ts'

/** Between two loads of the page, when one failed or brought an older state. */
const LOAD_INTERVAL_MS = 1000

/** Where a request is shown. */
export interface ViewHost {
  /** Origin of the server. */
  server: string
  /** The content shown now. */
  main(): HTMLElement
  /**
   * Replaces the content by the server's page at this path and keeps the focus in place.
   *
   * @returns false when that failed and should be tried again
   */
  load(path: string): Promise<boolean>
  /** Writes a text for screen readers. */
  announce(region: Region, text: string): void
  /** Called on every change and every second, for what lies outside of the content. */
  onChange(state: State, words: RequestDescription, page: Page): void
  /** The server's page no longer shows the request: it is missing, expired or belongs to another submitter. */
  onGone?(): void
  /** From the response to the submit, where only the submitter has access. */
  ownerToken?: string
}

export interface RequestView {
  /** Checks the status immediately. */
  refresh(): void
  /** The host shows another page of the same request. */
  pageReplaced(): void
  stop(): void
}

/** @returns null when the host shows no request */
export function showRequest(host: ViewHost): RequestView | null {
  const first = readPage(host.main())
  if (!first) return null
  let page = first
  let state = firstState(page.view, page.clock())
  let shownKind = pageKind(state.view)
  const stopping = new AbortController()
  const connection = createViewConnection({
    server: host.server,
    ownerToken: host.ownerToken,
    signal: stopping.signal,
    page: () => page,
    state: () => state,
    dispatch,
  })
  const reload = createReload(host)
  const continueTimeline = createTimeline()
  const announce: Announce = createAnnouncer(state, page.clock(), host.announce)

  function dispatch(event: Event): void {
    const before = state
    state = reduce(state, event)
    if (state !== before) show()
  }

  /** Runs on every change and every second, because words like "1 minute ago" age. */
  function show(): void {
    const now = page.clock()
    state = easeProgress(state, page)
    announce(state, page)
    const words = describeState(state, page)
    host.onChange(state, words, page)
    showExpiring(host.main(), state, page)
    if (Date.parse(state.view.expires_at) < now) state = reduce(state, { type: 'gone' })
    if (state.gone || pageKind(state.view) !== shownKind) void loadPage()
    else if (!isFinal(state.view.status)) {
      showState(host.main(), state, words, page)
      showPrompt(host.main(), state.view.otp_data, page)
      continueTimeline(host.main(), state.view, page)
    }
  }

  /** The state needs another kind of page, which the server has. */
  async function loadPage(): Promise<void> {
    const isLoaded = await reload(state, page)
    if (isLoaded && !stopping.signal.aborted) pageReplaced()
  }

  function pageReplaced(): void {
    const fresh = prepare(host.main())
    if (!fresh) {
      stop()
      host.onGone?.()
      return
    }
    page = fresh
    shownKind = pageKind(page.view)
    if (page.view.is_completed) host.main().classList.add('just-done')
    state = reduce({ ...state, gone: false }, { type: 'view', view: page.view, at: page.clock() })
    connection.open()
    show()
  }

  function stop(): void {
    stopping.abort()
    clearInterval(ticker)
    connection.close()
    window.removeEventListener('resize', show)
  }

  const ticker = setInterval(show, 1000)
  window.addEventListener('resize', show)
  prepare(host.main())
  connection.open()
  show()
  return { refresh: connection.refresh, pageReplaced, stop }
}

function prepare(main: HTMLElement): Page | null {
  showLocalTimes(main)
  hideUnsupported(main)
  return readPage(main)
}

/** @returns loads the page that fits the state, one at a time; resolves with whether the host shows it */
function createReload(host: ViewHost): (state: State, page: Page) => Promise<boolean> {
  let isLoading = false
  let lastLoadAt = Number.NEGATIVE_INFINITY

  return async ({ view, gone }, { links }) => {
    if (isLoading || Date.now() - lastLoadAt < LOAD_INTERVAL_MS) return false
    // An open dialog is answered first, unless its question no longer applies.
    if (!isFinal(view.status) && !gone && host.main().querySelector('dialog[open]')) return false
    isLoading = true
    if (view.is_completed) await closeBar(host.main())
    const isLoaded = await host.load(isFinal(view.status) ? links.result : links.progress)
    isLoading = false
    lastLoadAt = Date.now()
    return isLoaded
  }
}
