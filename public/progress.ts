/** The script of a request page: keeps it up to date in place. */
import { listenToControls } from './controls.ts'
import { allowsMotion } from './dom.ts'
import { listenToForms } from './forms.ts'
import { listenToLanguageLink } from './language.ts'
import { type LoadedPage, loadPage } from './load-page.ts'
import { offerNotifications } from './notifications.ts'
import { serverLanguage } from './page-data.ts'
import { type RequestView, showRequest, type ViewHost } from './request-view.ts'
import { keepTyped } from './typed.ts'
import { listenForCodes } from './web-otp.ts'

const notify = offerNotifications()
const main = (): HTMLElement => document.getElementById('main') as HTMLElement
const awaitCode = listenForCodes(main)

/** The title that was written last; null when the server's is shown. */
let title: string | null = null

const host: ViewHost = {
  server: location.origin,
  main,

  async load(path) {
    const loaded = await loadPage(path)
    return loaded !== null && (await place(loaded))
  },

  announce(region, text) {
    const element = document.getElementById(region)
    if (element) element.textContent = text
  },

  onChange({ view, connection }, words) {
    // On a first visit the styles are a part of the page: once it is live, their file is loaded for the next one.
    if (connection === 'live')
      document.querySelector('link[rel=alternate]')?.setAttribute('rel', 'stylesheet')
    // After a wrong code the server's title begins with the error: keep it.
    const isWrong = main().querySelector('[aria-invalid]') !== null
    if (!isWrong && words.title !== title) {
      // Compared with the last written title, since the browser may have translated the shown one.
      title = words.title
      document.title = document.title.replace(/^.*(?= · [^·]*$)/, () => words.title)
    }
    showIcon(words.icon)
    notify(view, words)
    // Only who may answer has the field.
    const hasField = main().querySelector('[autocomplete="one-time-code"]') !== null
    awaitCode(hasField ? (view.otp_data?.id ?? null) : null)
  },
}

/** @returns false when the whole page must be loaded instead */
async function place(loaded: LoadedPage): Promise<boolean> {
  // The language was changed in another tab: direction, font and the parts around the content differ.
  if (loaded.lang !== serverLanguage(document.documentElement)) {
    location.replace(loaded.address)
    return false
  }
  await withTransition(() => replaceMain(loaded))
  return true
}

/** Fades from one state to the next, where the browser can and the viewer wants motion. */
async function withTransition(change: () => void): Promise<void> {
  if (!document.startViewTransition || !allowsMotion()) return change()
  const transition = document.startViewTransition(change)
  // A transition that is skipped, as in a hidden tab, has changed the page all the same.
  transition.ready.catch(() => {})
  await transition.updateCallbackDone
}

function replaceMain(loaded: LoadedPage): void {
  const hadFocus = main().contains(document.activeElement)
  keepTyped(main(), loaded.main)
  main().replaceWith(loaded.main)
  document.title = loaded.title
  title = null
  history.replaceState(history.state, '', loaded.address)
  const field = main().querySelector<HTMLElement>('#otp')
  // A code prompt may take the focus: the page before had no field to type in. Otherwise the focus moves only when its
  // element was replaced: to the new heading.
  if (field instanceof HTMLInputElement && field.type === 'text') field.select()
  else if (field) field.focus()
  else if (hadFocus) main().querySelector<HTMLElement>('h1')?.focus()
}

function showIcon(name: string): void {
  const link = document.querySelector<HTMLLinkElement>('link[rel=icon]')
  const address = link?.href.replace(/[^/]*$/, `${name}.svg`)
  if (link && address && link.href !== address) link.href = address
}

const view: RequestView | null = showRequest(host)
const refresh = (): void => view?.refresh()
listenToControls(document, refresh)
async function replacePage(page: LoadedPage): Promise<void> {
  if (await place(page)) view?.pageReplaced()
}
listenToLanguageLink(replacePage)
listenToForms({
  root: document,
  onPage: replacePage,
  onRefused: refresh,
})
