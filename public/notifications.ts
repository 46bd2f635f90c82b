/**
 * "Notify me when it's done": browser notifications for users in another tab or window. The permission is requested on
 * that click only, and a page that has the focus notifies of nothing.
 */
import { isFinal, type PublicView } from '../core/domain/record.ts'
import type { RequestDescription } from '../core/presentation/describe-request.ts'
import { serverLanguage } from './page-data.ts'

const find = (name: string): HTMLElement | null => document.querySelector(`[data-live="${name}"]`)

/** @returns call it on every change and every second: updates the button, and notifies */
export function offerNotifications(): (view: PublicView, words: RequestDescription) => void {
  if (!canNotify()) return () => {}
  let known: string | null = null

  document.addEventListener('click', async ({ target }) => {
    const button = (target as Element).closest('[data-live="notify"]')
    if (!button) return
    const wanted = button.getAttribute('aria-pressed') !== 'true'
    if (wanted) await Notification.requestPermission()
    setWanted(wanted && Notification.permission === 'granted')
    show(find('notify-blocked'), wanted && Notification.permission === 'denied')
    showButton()
  })

  return (view, words) => {
    showButton()
    const reached = isFinal(view.status) ? view.status : (view.otp_data?.id ?? '')
    // The state in which the page was opened is no news.
    const isNew = known !== null && reached !== known && reached !== ''
    known = reached
    if (isNew && isWanted() && !document.hasFocus()) notify(view, words)
  }
}

/**
 * False over plain HTTP, in browsers without notifications, in a frame (which may not request permission) and on phones,
 * where only service workers may notify: there the constructor throws. Without permission the constructor shows nothing.
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

/** Hidden when the user has denied notifications: only the browser's settings can change that. */
function showButton(): void {
  const button = find('notify')
  show(button, Notification.permission !== 'denied')
  button?.setAttribute('aria-pressed', String(isWanted()))
}

function show(element: HTMLElement | null, isShown: boolean): void {
  if (element) element.hidden = !isShown
}

/** In the history entry, so that it survives a reload. */
const setWanted = (isWanted: boolean): void =>
  history.replaceState({ ...history.state, notify: isWanted }, '')
const isWanted = (): boolean => history.state?.notify === true && Notification.permission === 'granted'

function notify({ hash }: PublicView, { title }: RequestDescription): void {
  try {
    const lang = serverLanguage(document.body)
    const notification = new Notification(title, { tag: hash, lang, dir: lang === 'fa' ? 'rtl' : 'ltr' })
    notification.onclick = () => {
      window.focus()
      notification.close()
    }
  } catch {
    // Title and icon of the tab still show it.
  }
}
