/** A request's page embedded in a host page: loaded, kept up to date, and its forms sent in place. */
import { get, JSON_HEADERS, readView, startRequestLoop } from './connection/request-loop.ts'
import type { TransportHandle } from './connection/transport.ts'
import { listenToControls } from './controls.ts'
import { listenToDownloads } from './embedded-downloads.ts'
import { createEventEmitter, type Emit } from './embedded-events.ts'
import { createFrame } from './embedded-frame.ts'
import { loadImages } from './embedded-images.ts'
import { listenToForms } from './forms.ts'
import { type LoadedPage, loadPage } from './load-page.ts'
import { type RequestView, showRequest, type ViewHost } from './request-view.ts'

export interface EmbedOptions {
  root: ShadowRoot
  /** Origin of the server. */
  server: string
  hash: string
  /** Of the host page, if it has one. */
  language?: string
  ownerToken?: string
  emit: Emit
}

/** @returns stops it */
export function embed({ root, server, hash, language, ownerToken, emit }: EmbedOptions): () => void {
  const headers = {
    ...(language && { 'Accept-Language': language }),
    ...(ownerToken && { Authorization: `Bearer ${ownerToken}` }),
  }
  const frame = createFrame(root, server)
  const stopping = new AbortController()
  const { signal } = stopping
  const emitView = createEventEmitter(emit)
  let view: RequestView | null = null
  let status = 0
  let resultLoop: TransportHandle | undefined

  const host: ViewHost = {
    server,
    ownerToken,
    main: () => frame.main,
    load: show,
    announce(region, text) {
      frame[region].textContent = text
    },
    onChange({ view }) {
      frame.followScheme()
      if (view.is_completed && view.result_data === null) resultLoop ??= retryUntilDone(fetchResult)
      else emitView(view)
    },
    onGone: () => emit('expired', { hash, status }),
  }

  async function start(): Promise<void> {
    const isShown = await show(`/services/request/progress/${encodeURIComponent(hash)}`)
    if (!isShown) throw new Error('the page did not load')
    view = showRequest(host)
    if (!view) host.onGone?.()
  }

  async function show(path: string): Promise<boolean> {
    const loaded = await loadPage(new URL(path, server).href, headers)
    if (!loaded || signal.aborted) return false
    place(loaded, hasFocus())
    return true
  }

  /** The answer to a form. Its button may have lost the focus when it was pressed. */
  function handleFormPage(loaded: LoadedPage): void {
    place(loaded, hasFocus() || document.activeElement === document.body)
    view?.pageReplaced()
  }

  const hasFocus = (): boolean => frame.main.contains(root.activeElement)

  /** Takes no focus from the host page; a focus whose element was replaced moves to the new content. */
  function place(loaded: LoadedPage, withFocus: boolean): void {
    status = loaded.status
    frame.put(loaded)
    void loadImages(frame.main, server, headers, signal)
    const next = frame.main.querySelector<HTMLElement>('#otp') ?? frame.main.querySelector<HTMLElement>('h1')
    if (withFocus) next?.focus()
  }

  /** The page of a completed request shows the result, but its data for the script lack it. */
  async function fetchResult(signal: AbortSignal): Promise<void> {
    const statusUrl = `${server}/api/local-requests/${hash}/status`
    const target = { hash, ownerToken, statusUrl, version: () => 0 }
    emitView(await readView(await get(target, statusUrl, JSON_HEADERS, signal), target))
  }

  const refresh = (): void => view?.refresh()
  listenToControls(root, refresh, signal)
  listenToForms({ root, headers, signal, onPage: handleFormPage, onRefused: refresh })
  listenToDownloads(root, headers, signal)
  const startLoop = retryUntilDone(start)

  return () => {
    stopping.abort()
    startLoop.stop()
    resultLoop?.stop()
    view?.stop()
  }
}

/** Retries with growing pauses until it succeeds. */
function retryUntilDone(attempt: (signal: AbortSignal) => Promise<void>): TransportHandle {
  const loop = startRequestLoop({ down() {}, end() {} }, async ({ signal }) => {
    await attempt(signal)
    loop.stop()
    return 0
  })
  return loop
}
