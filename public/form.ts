/**
 * The form page: moves the focus to the errors, shows the fields that apply, and shows that a form is being sent.
 */
import { showApplicableFields } from './conditions.ts'
import { showLocalTimes } from './dom.ts'
import { listenToLanguageLink } from './language.ts'
import { showSending } from './sending.ts'
import { keepTyped } from './typed.ts'

showApplicableFields(document)
showLocalTimes(document.body)
document.getElementById('error-summary')?.focus()
document.addEventListener('input', () => showApplicableFields(document))
// Browsers restore values after the script has run, without an event.
window.addEventListener('pageshow', () => showApplicableFields(document))
document.addEventListener('submit', ({ target }) => {
  // After "Back" the button must work again.
  window.addEventListener('pageshow', showSending(target as HTMLFormElement), { once: true })
})
listenToLanguageLink(({ main, title, address }) => {
  const shown = document.getElementById('main') as HTMLElement
  keepTyped(shown, main)
  showApplicableFields(main)
  shown.replaceWith(main)
  document.title = title
  history.replaceState(history.state, '', address)
})
