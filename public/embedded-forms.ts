/** What people do in an embedded page without leaving the one around: forms are sent, and files fetched, by script. */
import { type LoadedPage, readAnswer } from './load-page.ts'
import { readPage } from './page-data.ts'

export interface FormsOptions {
  root: ShadowRoot
  /** What goes along with every call. */
  headers: Record<string, string>
  signal: AbortSignal
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
  root.addEventListener(
    'click',
    (event) => {
      const link = (event.target as Element).closest<HTMLAnchorElement>('a[download]')
      if (!link || link.protocol === 'blob:') return
      event.preventDefault()
      void fetchFile(link)
    },
    { signal },
  )

  async function send(form: HTMLFormElement): Promise<void> {
    isSending = true
    const body = new URLSearchParams([...new FormData(form)].map(([name, value]) => [name, String(value)]))
    const page = await fetch(form.action, {
      method: 'POST',
      body,
      headers: { Accept: 'text/html', ...headers },
    })
      .then(readAnswer)
      .catch(() => null)
    isSending = false
    if (signal.aborted) return
    if (page && readPage(page.main)) return onPage(page)
    tell(form, page)
    onRefused()
  }

  /** Browsers open what another site offers for download; and where only its owner may have it, they bring no token. */
  async function fetchFile(link: HTMLAnchorElement): Promise<void> {
    const answer = await fetch(link.href, { headers }).catch(() => null)
    if (!answer?.ok || signal.aborted) return
    link.href = URL.createObjectURL(await answer.blob())
    link.click()
  }
}

/** Why a form was not taken, where it was sent. */
function tell(form: HTMLFormElement, page: LoadedPage | null): void {
  const words = page
    ? [...page.main.querySelectorAll('h1, h1 ~ p')].map((element) => element.textContent)
    : [readPage(form)?.t(navigator.onLine ? 'live.announce.lost' : 'live.connection.offline')]
  form.querySelector(':scope > .field-error')?.remove()
  const note = document.createElement('p')
  note.className = 'field-error'
  note.setAttribute('role', 'alert')
  note.textContent = words.join(' ')
  form.prepend(note)
}
