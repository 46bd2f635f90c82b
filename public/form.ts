/** The form page: what is wrong is read first, and a form that is being sent says so at once. */
import { listenToLanguageLink } from './language.ts'
import { showSending } from './sending.ts'
import { keepTyped } from './typed.ts'

document.getElementById('error-summary')?.focus()
document.addEventListener('submit', ({ target }) => {
  // Back from where it led to, it can be pressed again.
  window.addEventListener('pageshow', showSending(target as HTMLFormElement), { once: true })
})
listenToLanguageLink(({ main, title, address }) => {
  const shown = document.getElementById('main') as HTMLElement
  keepTyped(shown, main)
  shown.replaceWith(main)
  document.title = title
  history.replaceState(history.state, '', address)
})
