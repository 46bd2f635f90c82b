/** The form page: moves the focus to the errors, and shows that a form is being sent. */
import { listenToLanguageLink } from './language.ts'
import { showSending } from './sending.ts'
import { keepTyped } from './typed.ts'

document.getElementById('error-summary')?.focus()
document.addEventListener('submit', ({ target }) => {
  // After "Back" the button must work again.
  window.addEventListener('pageshow', showSending(target as HTMLFormElement), { once: true })
})
listenToLanguageLink(({ main, title, address }) => {
  const shown = document.getElementById('main') as HTMLElement
  keepTyped(shown, main)
  shown.replaceWith(main)
  document.title = title
  history.replaceState(history.state, '', address)
})
