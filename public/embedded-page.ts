/** The page of a request inside of another page: fetched, kept up to date, its forms sent without leaving. */
import { get, JSON_HEADERS, readView, startRequestLoop } from './connection/request-loop.ts'
import type { TransportHandle } from './connection/transport.ts'
import { listenToControls } from './controls.ts'
import { listenToDownloads } from './embedded-downloads.ts'
import { createEventEmitter, type Emit } from './embedded-events.ts'
import { createFrame } from './embedded-frame.ts'
import { listenToForms } from './forms.ts'
import { type LoadedPage, loadPage } from './load-page.ts'
import { type RequestView, showRequest, type ViewHost } from './request-view.ts'

export interface EmbedOptions {
  root: ShadowRoot
  /** Origin of the server. */
  server: string
  hash: string
  /** Of the page around, if it says so. */
  language?: string
  ownerToken?: string
  onChange: Emit
}

/** @returns the way to stop */
export function embed({ root, server, hash, language, ownerToken, onChange }: EmbedOptions): () => void {
  const headers = {
    ...(language && { 'Accept-Language': language }),
    ...(ownerToken && { Authorization: `Bearer ${ownerToken}` }),
  }
  const frame = createFrame(root, server)
  const stopping = new AbortController()
  const { signal } = stopping
  const hear = createEventEmitter(onChange)
  let view: RequestView | null = null
  let status = 0
  let asking: TransportHandle | undefined

  const stage: ViewHost = {
    server,
    ownerToken,
    main: () => frame.main,
    load: show,
    announce(region, text) {
      frame[region].textContent = text
    },
    onChange({ view }) {
      frame.followScheme()
      if (view.is_completed && view.result_data === null) asking ??= untilDone(askForResult)
      else hear(view)
    },
    onGone: () => onChange('expired', { hash, status }),
  }

  async function begin(): Promise<void> {
    const isShown = await show(`/services/request/progress/${encodeURIComponent(hash)}`)
    if (!isShown) throw new Error('it is not to be had yet')
    view = showRequest(stage)
    if (!view) stage.onGone?.()
  }

  async function show(path: string): Promise<boolean> {
    const loaded = await loadPage(new URL(path, server).href, headers)
    if (!loaded || signal.aborted) return false
    place(loaded, hasFocus())
    return true
  }

  /** What somebody did here is answered. The button may have lost the focus with being pressed. */
  function take(loaded: LoadedPage): void {
    place(loaded, hasFocus() || document.activeElement === document.body)
    view?.pageReplaced()
  }

  const hasFocus = (): boolean => frame.main.contains(root.activeElement)

  /** Focus is never taken from the page around; but where its element is gone, it goes on in the new content. */
  function place(loaded: LoadedPage, withFocus: boolean): void {
    status = loaded.status
    frame.put(loaded)
    const next = frame.main.querySelector<HTMLElement>('#otp') ?? frame.main.querySelector<HTMLElement>('h1')
    if (withFocus) next?.focus()
  }

  /** A page that was over when it came shows the result, and does not hand it to the script a second time. */
  async function askForResult(signal: AbortSignal): Promise<void> {
    const statusUrl = `${server}/api/local-requests/${hash}/status`
    const request = { hash, ownerToken, statusUrl, version: () => 0 }
    hear(await readView(await get(request, statusUrl, JSON_HEADERS, signal), request))
  }

  const refresh = (): void => view?.refresh()
  listenToControls(root, refresh, signal)
  listenToForms({ root, headers, signal, onPage: take, onRefused: refresh })
  listenToDownloads(root, headers, signal)
  const beginning = untilDone(begin)

  return () => {
    stopping.abort()
    beginning.stop()
    asking?.stop()
    view?.stop()
  }
}

/** Tries until it succeeds, more and more slowly. */
function untilDone(attempt: (signal: AbortSignal) => Promise<void>): TransportHandle {
  const running = startRequestLoop({ down() {}, end() {} }, async ({ signal }) => {
    await attempt(signal)
    running.stop()
    return 0
  })
  return running
}
