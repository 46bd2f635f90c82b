/**
 * "Notify me when it's done": the browser's own notifications, for people who wait in another tab or window. Permission
 * is asked for on that click only, and nothing is told while the page is being looked at.
 */
import { isFinal, type PublicView } from '../core/domain/record.ts'
import type { RequestDescription } from '../core/presentation/describe-request.ts'
import { languageOf } from './page-data.ts'

const find = (name: string): HTMLElement | null => document.querySelector(`[data-live="${name}"]`)

/** @returns to be called on every change and every second: keeps the button right, and notifies */
export function offerNotifications(): (view: PublicView, words: RequestDescription) => void {
  if (!canNotify()) return () => {}
  let told: string | null = null

  document.addEventListener('click', async ({ target }) => {
    const button = (target as Element).closest('[data-live="notify"]')
    if (!button) return
    const wanted = button.getAttribute('aria-pressed') !== 'true'
    if (wanted) await Notification.requestPermission()
    want(wanted && Notification.permission === 'granted')
    show(find('notify-blocked'), wanted && Notification.permission === 'denied')
    showButton()
  })

  return (view, words) => {
    showButton()
    const reached = isFinal(view.status) ? view.status : (view.otp_data?.id ?? '')
    // What the page said when it was opened is known.
    const isNews = told !== null && reached !== told && reached !== ''
    told = reached
    if (isNews && isWanted() && !document.hasFocus()) notify(view, words)
  }
}

/**
 * Over plain HTTP and in some browsers there are none; a page in a frame may not ask for them; and browsers on phones
 * have them for service workers only, which the constructor says. Without permission it shows nothing.
 */
function canNotify(): boolean {
  if (!('Notification' in window) || !isSecureContext || window.top !== window) return false
  if (Notification.permission === 'granted') return true
  try {
    new Notification('')
    return true
  } catch {
    return false
  }
}

/** Only where it can work: who has refused notifications can allow them in the browser's settings alone. */
function showButton(): void {
  const button = find('notify')
  show(button, Notification.permission !== 'denied')
  button?.setAttribute('aria-pressed', String(isWanted()))
}

function show(element: HTMLElement | null, isShown: boolean): void {
  if (element) element.hidden = !isShown
}

/** With the page's place in the history it outlives a reload, and ends with it. */
const want = (isWanted: boolean): void => history.replaceState({ ...history.state, notify: isWanted }, '')
const isWanted = (): boolean => history.state?.notify === true && Notification.permission === 'granted'

function notify({ hash }: PublicView, { title }: RequestDescription): void {
  try {
    const lang = languageOf(document.body)
    const notification = new Notification(title, { tag: hash, lang, dir: lang === 'fa' ? 'rtl' : 'ltr' })
    notification.onclick = () => {
      window.focus()
      notification.close()
    }
  } catch {
    // Title and icon of the tab still tell.
  }
}
