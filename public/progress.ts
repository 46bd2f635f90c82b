/** A request page, kept up to date in place. */
import { listenToControls } from './controls.ts'
import { listenToForms } from './forms.ts'
import { listenToLanguageLink } from './language.ts'
import { type LoadedPage, loadPage } from './load-page.ts'
import { offerNotifications } from './notifications.ts'
import { languageOf } from './page-data.ts'
import { type RequestView, showRequest, type ViewHost } from './request-view.ts'
import { keepTyped } from './typed.ts'

const notify = offerNotifications()
const main = (): HTMLElement => document.getElementById('main') as HTMLElement

/** What the title said last; null when the server's is shown. */
let title: string | null = null

const stage: ViewHost = {
  server: location.origin,
  main,

  async load(path) {
    const loaded = await loadPage(path)
    return loaded !== null && place(loaded)
  },

  announce(region, text) {
    const element = document.getElementById(region)
    if (element) element.textContent = text
  },

  onChange({ view }, words) {
    // With a wrong code the title begins with that, and the rest of it is right.
    const isWrong = main().querySelector('[aria-invalid]') !== null
    if (!isWrong && words.title !== title) {
      // The browser may have translated the one that was written last.
      title = words.title
      document.title = document.title.replace(/^.*(?= · [^·]*$)/, () => words.title)
    }
    showIcon(words.icon)
    notify(view, words)
  },
}

/** @returns false when the whole page has to be another one */
function place(loaded: LoadedPage): boolean {
  // Another language was chosen in another tab: direction, font and frame change with it.
  if (loaded.lang !== languageOf(document.documentElement)) {
    location.replace(loaded.address)
    return false
  }
  const hadFocus = main().contains(document.activeElement)
  keepTyped(main(), loaded.main)
  main().replaceWith(loaded.main)
  document.title = loaded.title
  title = null
  history.replaceState(history.state, '', loaded.address)
  const code = main().querySelector<HTMLInputElement>('#otp')
  // Whoever is brought to a code prompt was typing nowhere else: the page before had no field. Otherwise focus is
  // never taken from anywhere; but where its element is gone, it goes on at the new heading.
  if (code) code.select()
  else if (hadFocus) main().querySelector<HTMLElement>('h1')?.focus()
  return true
}

function showIcon(name: string): void {
  const link = document.querySelector<HTMLLinkElement>('link[rel=icon]')
  const address = link?.href.replace(/[^/]*$/, `${name}.svg`)
  if (link && address && link.href !== address) link.href = address
}

const view: RequestView | null = showRequest(stage)
const refresh = (): void => view?.refresh()
listenToControls(document, refresh)
const take = (page: LoadedPage): void => void (place(page) && view?.pageReplaced())
listenToLanguageLink(take)
listenToForms({
  root: document,
  onPage: take,
  onRefused: refresh,
})
