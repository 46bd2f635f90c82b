/**
 * "Notify me when it's done": browser notifications for users in another tab or window. The permission is requested on
 * that click only, and a page that has the focus notifies of nothing.
 */
import { newsOf } from '../core/domain/news.ts'
import type { PublicView } from '../core/domain/record.ts'
import type { RequestDescription } from '../core/presentation/describe-request.ts'
import { serverLanguage } from './page-data.ts'
import { canPush, isSubscribed, subscribe, unsubscribe } from './push.ts'

const find = (name: string): HTMLElement | null => document.querySelector(`[data-live="${name}"]`)

/** @returns call it on every change and every second: updates the button, and notifies */
export function offerNotifications(): (view: PublicView, words: RequestDescription) => void {
  if (!canNotify()) return () => {}
  let latest: PublicView | null = null
  /** Whether pushes come, too. Where they fail, the page notifies while it is open. */
  let isPushed = false
  /** Clicks one after the other. */
  let pushing: Promise<void> = Promise.resolve()
  let isPushing = false
  const showAll = (): void => {
    showButton()
    show(find('notify-closed'), isWanted() && isPushed)
    show(find('notify-open'), isWanted() && !isPushed && !isPushing)
  }

  document.addEventListener('click', async ({ target }) => {
    const button = (target as Element).closest<HTMLElement>('[data-live="notify"]')
    if (!button || !latest) return
    const wanted = button.getAttribute('aria-pressed') !== 'true'
    if (wanted) await Notification.requestPermission()
    setWanted(wanted && Notification.permission === 'granted')
    show(find('notify-blocked'), wanted && Notification.permission === 'denied')
    const view = latest
    isPushing = canPush(button)
    if (isPushing) pushing = pushing.then(() => setPushed(view, button))
    showAll()
  })

  async function setPushed(view: PublicView, button: HTMLElement): Promise<void> {
    const done = isWanted() ? subscribe(view, button) : unsubscribe(view.hash)
    isPushed = await done.then(isWanted, () => false)
    isPushing = false
    showAll()
  }

  /** After a reload, and in another tab. */
  async function findSubscription({ hash }: PublicView): Promise<void> {
    if (!canPush(find('notify'))) return
    isPushed = await isSubscribed(hash).catch(() => false)
    if (isPushed) setWanted(true)
  }

  return (view, words) => {
    const known = latest && newsOf(latest)
    if (!latest) void findSubscription(view)
    latest = view
    showAll()
    const news = newsOf(view)
    // The state in which the page was opened is no news.
    const isNew = known !== null && news !== known && news !== ''
    if (isNew && isWanted() && !document.hasFocus()) void notify(view, words)
  }
}

/**
 * False over plain HTTP, in browsers without notifications, in a frame (which may not request permission) and, where there
 * are no pushes, on phones, where only service workers may notify: there the constructor throws. Without permission the
 * constructor shows nothing.
 */
function canNotify(): boolean {
  if (!('Notification' in window) || !isSecureContext || window.top !== window) return false
  if (Notification.permission === 'granted' || canPush(find('notify'))) return true
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

async function notify({ hash }: PublicView, { title }: RequestDescription): Promise<void> {
  const lang = serverLanguage(document.body)
  const dir = document.documentElement.dir as NotificationDirection
  const options: NotificationOptions = { tag: hash, lang, dir, data: location.pathname }
  try {
    // The push about it takes its place: both have the same tag.
    const worker = await navigator.serviceWorker?.getRegistration()
    if (worker) return await worker.showNotification(title, options)
    const notification = new Notification(title, options)
    notification.onclick = () => {
      window.focus()
      notification.close()
    }
  } catch {
    // Title and icon of the tab still show it.
  }
}
