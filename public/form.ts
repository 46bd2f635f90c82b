/** The form page: what is wrong is read first, and a form that is being sent says so at once. */
import { showSending } from './sending.ts'

document.getElementById('error-summary')?.focus()
showSending(document)
