/** Subscribes this browser to pushes about a request, which arrive while no page is open. */
import { newsOf } from '../core/domain/news.ts'
import type { PublicView } from '../core/domain/record.ts'
import { serverLanguage } from './page-data.ts'
import { pushRequests, putPushRequest, removePushRequest } from './push-requests.ts'

/** False in browsers without pushes, where the server has turned them off, and in Safari outside of an installed page. */
export const canPush = (button: HTMLElement | null): button is HTMLElement =>
  button?.dataset.pushKey !== undefined && 'serviceWorker' in navigator && 'PushManager' in window

export async function isSubscribed(hash: string): Promise<boolean> {
  const isKnown = (await pushRequests()).some((one) => one.hash === hash)
  return isKnown && (await subscription()) !== null
}

/** @param button with the server's key. @throws whatever the browser, its push service or the server refuses with */
export async function subscribe(
  view: PublicView,
  { dataset: { pushKey = '', pushFallback = '' } }: HTMLElement,
): Promise<void> {
  const { hash, expires_at } = view
  await navigator.serviceWorker.register('/service-worker.js')
  const { pushManager } = await navigator.serviceWorker.ready
  const key = Uint8Array.from(atob(pushKey.replaceAll('-', '+').replaceAll('_', '/')), (c) => c.charCodeAt(0))
  const present = await pushManager.getSubscription()
  // Made for another installation at this address.
  if (present && String(new Uint8Array(present.options.applicationServerKey ?? [])) !== String(key))
    await present.unsubscribe()
  const { endpoint } = await pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: key })
  await call('POST', hash, endpoint)
  const lang = serverLanguage(document.body)
  await putPushRequest({
    hash,
    page: location.pathname,
    lang,
    fallback: pushFallback,
    news: newsOf(view),
    expires_at,
  })
}

export async function unsubscribe(hash: string): Promise<void> {
  await removePushRequest(hash)
  const present = await subscription()
  if (!present) return
  if ((await pushRequests()).length === 0) await present.unsubscribe()
  await call('DELETE', hash, present.endpoint)
}

const subscription = async (): Promise<PushSubscription | null> =>
  (await (await navigator.serviceWorker.getRegistration())?.pushManager.getSubscription()) ?? null

async function call(method: string, hash: string, endpoint: string): Promise<void> {
  const { ok, status } = await fetch(`/api/local-requests/${hash}/push-subscriptions`, {
    method,
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ endpoint }),
  })
  if (!ok) throw new Error(`status ${status}`)
}
