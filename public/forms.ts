/**
 * Forms of a request's page, sent without leaving it: the code, another code, cancel. The page that answers takes the
 * place of the one shown, as it would by itself; what is connected, said and switched on stays.
 */
import type { LiveKey } from '../core/i18n/index.ts'
import { type LoadedPage, readAnswer } from './load-page.ts'
import { readPage } from './page-data.ts'
import { showSending } from './sending.ts'

/** On a connection that is dead and does not know it, nothing would ever come back. */
const ANSWER_WITHIN_MS = 10_000

export interface FormsOptions {
  root: Document | ShadowRoot
  /** What goes along with every call. */
  headers?: Record<string, string>
  signal?: AbortSignal
  /** The server's answer, when it is a page of the request. */
  onPage(page: LoadedPage): void
  /** It was not taken, for whatever reason. The page stays, with what was typed. */
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
      if (!isSending) void send(form)
    },
    { signal },
  )

  async function send(form: HTMLFormElement): Promise<void> {
    isSending = true
    const restore = showSending(form)
    const body = new URLSearchParams([...new FormData(form)].map(([name, value]) => [name, String(value)]))
    const page = await fetch(form.action, {
      method: 'POST',
      body,
      headers: { Accept: 'text/html', ...headers },
      signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
    })
      .then(async (answer) => (await readAnswer(answer)) ?? new Error('the answer is no page'))
      .catch((error: Error) => error)
    isSending = false
    restore()
    if (signal?.aborted) return
    if (!(page instanceof Error) && readPage(page.main)) return onPage(page)
    showProblem(form, page)
    onRefused()
  }
}

/** What was not done, and why, where the form was sent. */
function showProblem(form: HTMLFormElement, page: LoadedPage | Error): void {
  const words =
    page instanceof Error
      ? [readPage(form)?.t(reasonOf(page))]
      : [...page.main.querySelectorAll('h1, h1 ~ p')].map((element) => element.textContent)
  // Of what passes by itself: elsewhere the server's page says all there is to say.
  if (page instanceof Error || page.status >= 429) words.unshift(form.dataset.failed)
  form.querySelector(':scope > .field-error')?.remove()
  const note = document.createElement('p')
  note.className = 'field-error'
  note.setAttribute('role', 'alert')
  note.textContent = words.join(' ')
  form.prepend(note)
}

function reasonOf({ name }: Error): LiveKey {
  if (!navigator.onLine) return 'live.connection.offline'
  return name === 'TimeoutError' ? 'live.announce.unanswered' : 'live.announce.lost'
}
