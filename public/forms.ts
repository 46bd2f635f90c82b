/**
 * Sends the forms of a request's page (code, resend, cancel, keep, delete) by script. The server's answer replaces the content without a
 * reload, so that connection, announcements and notifications keep their state.
 */
import type { LiveKey } from '../core/i18n/index.ts'
import { type LoadedPage, readPageResponse } from './load-page.ts'
import { readPage } from './page-data.ts'
import { showSending } from './sending.ts'

/** A dead connection would never answer. */
const RESPONSE_TIMEOUT_MS = 10_000

export interface FormsOptions {
  root: Document | ShadowRoot
  /** Sent with every call. */
  headers?: Record<string, string>
  signal?: AbortSignal
  /** Called with the server's answer when it is a page of the request. */
  onPage(page: LoadedPage): void
  /** Called when the form was not accepted, for any reason. The page stays, with the typed values. */
  onRefused(): void
}

export function listenToForms({ root, headers, signal, onPage, onRefused }: FormsOptions): void {
  let isSending = false

  root.addEventListener(
    'submit',
    (event) => {
      const form = event.target as HTMLFormElement
      if (form.method === 'dialog') return
      event.preventDefault()
      if (!isSending) void send(form, (event as SubmitEvent).submitter)
    },
    { signal },
  )

  async function send(form: HTMLFormElement, submitter: HTMLElement | null): Promise<void> {
    isSending = true
    const restore = showSending(form, submitter)
    const body = new URLSearchParams([...new FormData(form)].map(([name, value]) => [name, String(value)]))
    // The answer of a form with two buttons is the pressed one.
    if (submitter instanceof HTMLButtonElement && submitter.name) body.append(submitter.name, submitter.value)
    const page = await fetch(form.action, {
      method: 'POST',
      body,
      headers: { Accept: 'text/html', ...headers },
      signal: AbortSignal.timeout(RESPONSE_TIMEOUT_MS),
    })
      .then(async (response) => (await readPageResponse(response)) ?? new Error('not a page'))
      .catch((error: Error) => error)
    isSending = false
    restore()
    if (signal?.aborted) return
    // The page of a request that was deleted has no data of one.
    if (!(page instanceof Error) && (readPage(page.main) || page.status === 410)) return onPage(page)
    showProblem(form, page)
    onRefused()
  }
}

/** Writes into the form what failed, and why. */
function showProblem(form: HTMLFormElement, page: LoadedPage | Error): void {
  const reason = page instanceof Error ? failureReason(page) : null
  const texts =
    page instanceof Error
      ? [reason && readPage(form)?.t(reason)]
      : [...page.main.querySelectorAll('h1, .page-head ~ p')].map((element) => element.textContent)
  // Temporary errors only: otherwise the server's page has the whole text.
  if (page instanceof Error || page.status >= 429) texts.unshift(form.dataset.failed)
  form.querySelector(':scope > .field-error')?.remove()
  const note = document.createElement('p')
  note.className = 'field-error'
  note.setAttribute('role', 'alert')
  note.textContent = texts.filter(Boolean).join(' ')
  form.prepend(note)
}

/** That the browser is offline is in the banner of the page, and no longer than it is. */
function failureReason({ name }: Error): LiveKey | null {
  if (!navigator.onLine) return null
  return name === 'TimeoutError' ? 'live.announce.unanswered' : 'live.announce.lost'
}
