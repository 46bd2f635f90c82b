/** The page of a request inside of another page: fetched, kept up to date, its forms sent without leaving. */
import type { PublicView } from '../core/record.ts'
import type { Locale } from '../core/texts/index.ts'
import { listenToControls } from './controls.ts'
import { adapt, createFrame } from './embedded-frame.ts'
import type { HalfwayEvent } from './halfway-progress.ts'
import { type LoadedPage, loadPage, readAnswer } from './load-page.ts'
import { type RequestView, type Stage, showRequest } from './request-view.ts'

const AGAIN_MS = 1000
const LONGEST_AGAIN_MS = 30_000

export interface EmbedOptions {
  root: ShadowRoot
  /** Origin of the server. */
  server: string
  hash: string
  locale: Locale
  ownerToken?: string
  tell(event: HalfwayEvent, detail: PublicView | { hash: string }): void
}

/** @returns the way to stop */
export function embed({ root, server, hash, locale, ownerToken, tell }: EmbedOptions): () => void {
  const frame = createFrame(root, server, locale)
  const stopping = new AbortController()
  const headers: Record<string, string> = { 'Accept-Language': locale }
  if (ownerToken) headers.Authorization = `Bearer ${ownerToken}`
  let view: RequestView | null = null
  let told = { version: -1, state: '' }
  let isSending = false

  const stage: Stage = {
    main: () => frame.main,
    origin: server,
    ownerToken,
    load: (path) => load(path),
    say(region, text) {
      frame[region].textContent = text
    },
    tell: ({ view }) => void news(view),
    ended: () => tell('expired', { hash }),
  }

  async function load(path: string): Promise<boolean> {
    const loaded = await loadPage(new URL(path, server).href, headers)
    if (!loaded || stopping.signal.aborted) return false
    place(loaded)
    return true
  }

  function place({ main }: LoadedPage): void {
    const hadFocus = frame.main.contains(root.activeElement)
    frame.put(adapt(main, server))
    if (hadFocus) frame.main.querySelector<HTMLElement>('[aria-invalid], h1')?.focus()
  }

  /** Tells of every newer state, and of each kind of state as it is reached. */
  async function news(now: PublicView): Promise<void> {
    if (now.version <= told.version) return
    const state = `${now.status} ${now.otp_data?.id ?? ''}`
    const isReached = state !== told.state
    told = { version: now.version, state }
    const shown = now.is_completed && now.result_data === null ? await withResult(now) : now
    if (stopping.signal.aborted) return
    tell('progress', shown)
    if (isReached && shown.requires_otp) tell('otp-required', shown)
    if (isReached && (shown.is_completed || shown.is_failed || shown.is_cancelled)) {
      tell(shown.status as 'completed' | 'failed' | 'cancelled', shown)
    }
  }

  /** A page that was over when it came shows its result, and does not hand it to the script a second time. */
  async function withResult(view: PublicView): Promise<PublicView> {
    const answer = await fetch(`${server}/api/local-requests/${hash}/status`, { headers }).catch(() => null)
    return answer?.ok ? await answer.json() : view
  }

  async function send(form: HTMLFormElement): Promise<void> {
    if (isSending) return
    isSending = true
    const body = new URLSearchParams([...new FormData(form)].map(([name, value]) => [name, String(value)]))
    const answer = await fetch(form.action, { method: 'POST', body, headers }).catch(() => null)
    const loaded = answer && (await readAnswer(answer).catch(() => null))
    isSending = false
    if (stopping.signal.aborted) return
    if (loaded?.main.querySelector('#page-data')) {
      place(loaded)
      view?.arrive()
    } else {
      // Not taken, and the request goes on: the page stays, with what was typed.
      frame.assertive.textContent = loaded?.title ?? ''
      view?.refresh()
    }
  }

  root.addEventListener(
    'submit',
    (event) => {
      const form = event.target as HTMLFormElement
      if (form.method === 'dialog') return
      event.preventDefault()
      void send(form)
    },
    { signal: stopping.signal },
  )
  listenToControls(root, () => view?.refresh(), stopping.signal)

  async function begin(waitMs: number): Promise<void> {
    if (await load(`/services/request/progress/${hash}`)) {
      view = showRequest(stage)
      if (!view) tell('expired', { hash })
    } else if (!stopping.signal.aborted) {
      const timer = setTimeout(begin, waitMs, Math.min(waitMs * 2, LONGEST_AGAIN_MS))
      stopping.signal.addEventListener('abort', () => clearTimeout(timer))
    }
  }
  void begin(AGAIN_MS)

  return () => {
    stopping.abort()
    view?.stop()
  }
}
