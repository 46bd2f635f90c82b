/**
 * Shows notifications of requests while no page is open. It caches no page and answers no call of one: pages show private
 * data as it is now.
 */
import { type PushRequest, pushRequests, putPushRequest, removePushRequest } from './push-requests.ts'

// TypeScript's library for workers contradicts that for pages.
interface WindowClient {
  readonly url: string
  readonly focused: boolean
  focus(): Promise<unknown>
}
interface WorkerEvent extends Event {
  readonly notification: Notification
  waitUntil(work: Promise<unknown>): void
}
declare const self: {
  readonly registration: ServiceWorkerRegistration
  readonly location: Location
  readonly clients: {
    matchAll(options: { type: 'window'; includeUncontrolled: boolean }): Promise<WindowClient[]>
    openWindow(address: string): Promise<unknown>
  }
  addEventListener(
    type: 'install' | 'push' | 'notificationclick',
    listener: (event: WorkerEvent) => void,
  ): void
  skipWaiting(): Promise<void>
}

/** As the server answers `GET …/notification`. */
type Words = Pick<PushRequest, 'news' | 'lang' | 'expires_at'> & {
  title: string
  body: string
  url: string
  dir: 'ltr' | 'rtl'
}

const TIMEOUT_MS = 10_000

self.addEventListener('install', () => void self.skipWaiting())
self.addEventListener('push', (event) => event.waitUntil(notify()))
self.addEventListener('notificationclick', (event) => event.waitUntil(open(event.notification)))

/** Browsers withdraw the permission of a site that shows nothing after a push: at least one is shown. */
async function notify(): Promise<void> {
  const asked = await Promise.all((await pushRequests()).map(async (one) => ({ one, words: await ask(one) })))
  const withNews = asked.filter(({ one, words }) => words && words.news !== '' && words.news !== one.news)
  for (const { one, words } of withNews.length > 0 ? withNews : asked.slice(-1)) await show(one, words)
  if (asked.length === 0) await self.registration.showNotification(self.location.host)
}

/** Null when the server does not answer. */
async function ask({ hash, lang }: PushRequest): Promise<Words | null> {
  try {
    const response = await fetch(
      `/api/local-requests/${hash}/notification?lang=${encodeURIComponent(lang)}`,
      {
        signal: AbortSignal.timeout(TIMEOUT_MS),
      },
    )
    if ([404, 410].includes(response.status)) await removePushRequest(hash)
    return response.ok ? await response.json() : null
  } catch {
    return null
  }
}

async function show(one: PushRequest, words: Words | null): Promise<void> {
  const { hash, lang, fallback, page } = one
  await self.registration.showNotification(words?.title ?? fallback, {
    // A newer one of the same request takes its place.
    tag: hash,
    body: words?.body,
    lang: words?.lang ?? lang,
    dir: words?.dir ?? 'auto',
    icon: '/assets/icon-192.png',
    data: words?.url ?? page,
  })
  if (words) await putPushRequest({ ...one, news: words.news, expires_at: words.expires_at })
  // Its page has the focus and shows the same.
  if ((await pagesOf(hash)).some(({ focused }) => focused))
    for (const shown of await self.registration.getNotifications({ tag: hash })) shown.close()
}

async function open(notification: Notification): Promise<void> {
  notification.close()
  const [page] = await pagesOf(notification.tag)
  if (page) await page.focus()
  else await self.clients.openWindow(notification.data ?? '/')
}

async function pagesOf(hash: string): Promise<WindowClient[]> {
  const pages = await self.clients.matchAll({ type: 'window', includeUncontrolled: true })
  return hash === '' ? [] : pages.filter(({ url }) => url.includes(hash))
}
