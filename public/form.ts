/** The form page: what is wrong is read first, and a form that is being sent says so at once. */
import { showSending } from './sending.ts'

document.getElementById('error-summary')?.focus()
document.addEventListener('submit', ({ target }) => {
  // Back from where it led to, it can be pressed again.
  window.addEventListener('pageshow', showSending(target as HTMLFormElement), { once: true })
})
