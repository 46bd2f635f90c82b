/** A request page in the full browser, with the back-forward cache, notifications and pushes. */
import type { ServerResponse } from 'node:http'
import type { BrowserContext, Page, Worker } from 'playwright-core'
import { afterEach, describe, expect, inject, it } from 'vitest'
import { createTexts } from '../../core/i18n/index.ts'
import { openInstallationSecret } from '../../core/redis/installation-secret.ts'
import { createVapidKeys } from '../../core/redis/vapid-keys.ts'
import { createPushSubscriptions } from '../../core/store/push-subscriptions.ts'
import { createRequestStore } from '../../core/store/request-store.ts'
import { createPushClient } from '../../workers/push-client.ts'
import { startPushSender } from '../../workers/push-sender.ts'
import { useBrowser } from '../helpers/browser.ts'
import { inFirefox, isBrowserMissing } from '../helpers/browsers.ts'
import { cleanUp } from '../helpers/clean-up.ts'
import { eventually } from '../helpers/eventually.ts'
import { usePushService } from '../helpers/push-service.ts'
import { progressTo, REQUIRE_OTP, START, TTL_SECONDS } from '../helpers/record.ts'
import { quiet, useRedis } from '../helpers/redis.ts'
import { heading, shows, watchAt } from '../helpers/request-page.ts'
import { useServer } from '../helpers/server.ts'
import { at } from '../server/page-browser.ts'

const testRedis = await useRedis()
const assets = inject('assets')
// Pages notify by themselves.
const { address, given, apply, http } = await useServer(testRedis, { assets, settings: { PUSH: 'off' } })
const { open, closeTabs } = useBrowser({ full: true })
const watch = (hash: string, page: Page): Promise<void> => watchAt(address, hash, page)

const { t } = createTexts('en')
const { t: fa } = createTexts('fa')
const redis = await testRedis.connections.connect('patient')
const COMPLETE = { type: 'complete', attempt: 1, result: { score: 712 } } as const

describe.skipIf(isBrowserMissing)('a page of a running request', () => {
  afterEach(closeTabs)

  it.for([
    ['loaded again', false],
    ['from the back-forward cache', true],
  ] as const)('a page on "Back" shows the current state: %s', async ([_name, isCached], { skip }) => {
    skip(isCached && inFirefox, 'Firefox caches no page with an open WebSocket')
    const hash = await given([START, progressTo(10)])
    const page = await open()
    if (isCached) http.prependListener('request', dropCacheControl)
    await watch(hash, page)
    await page.evaluate(recordPersisted)
    await page.goto(`${address}/`)
    await apply(hash, progressTo(60))
    // Playwright's goBack waits for a load event, which a cached page does not have. By a timer, because leaving the page
    // during `evaluate` would end that call.
    await page.evaluate(() => void setTimeout(() => history.back()))
    await shows(page, 60)
    if (isCached) expect(await page.evaluate(() => document.documentElement.dataset.persisted)).toBe('true')
    await apply(hash, progressTo(70))
    await shows(page, 70)
    http.off('request', dropCacheControl)
  })

  it('a page notifies only a user who wished it and has another tab open', async () => {
    const [wished, other] = [await given([START]), await given([START])]
    const page = await open({ permissions: ['notifications'] })
    await page.addInitScript(recordNotifications)
    await watch(wished, page)
    const button = page.getByRole('button', { name: t('progress.notify') })
    expect(await button.getAttribute('aria-pressed')).toBe('false')
    await button.click()
    await page.locator('[data-live=notify][aria-pressed=true]').waitFor()
    await page.reload()
    await page.locator('[data-live=notify][aria-pressed=true]').waitFor()
    const otherTab = await page.context().newPage()
    await otherTab.addInitScript(recordNotifications)
    await watch(other, otherTab)
    for (const tab of [page, otherTab]) await stopEmulatingFocus(tab)
    await otherTab.bringToFront()
    await page.waitForFunction(() => !document.hasFocus())
    for (const hash of [wished, other])
      for (const change of [REQUIRE_OTP, COMPLETE]) await apply(hash, change)
    await Promise.all([page, otherTab].map((tab) => heading(tab, t('result.title')).waitFor()))
    const notified = (tab: Page) =>
      tab.evaluate(() => (globalThis as unknown as { notified: string[] }).notified)
    expect((await notified(page)).at(-1)).toMatch(/^Done · /)
    expect(await notified(otherTab)).toEqual([])
  })

  // Firefox asks the user, whom no test can replace; Chromium without a window refuses.
  it.skipIf(inFirefox)(
    'a page shows that notifications are blocked only once they are requested',
    async () => {
      const hash = await given([START])
      const page = await open()
      await watch(hash, page)
      const [button, blocked] = [notifyButton(page), page.getByText(t('progress.notify_blocked'))]
      expect(await blocked.isVisible()).toBe(false)
      await button.click()
      await blocked.waitFor()
      expect(await button.isVisible()).toBe(false)
    },
  )

  it.each([
    ['were denied before', () => void Object.defineProperty(Notification, 'permission', { value: 'denied' })],
    ['exist for service workers only', refuseToConstruct],
    ['do not exist', () => void Reflect.deleteProperty(globalThis, 'Notification')],
  ])('a page does not offer notifications that %s', async (_name, prepare) => {
    const hash = await given([START])
    const page = await open()
    await page.addInitScript(prepare)
    await watch(hash, page)
    expect(await notifyButton(page).isVisible()).toBe(false)
  })
})

describe.skipIf(isBrowserMissing)('pushes', async () => {
  const pushService = await usePushService()
  const settings = { PUSH_HOSTS: pushService.origin }
  const server = await useServer(testRedis, { assets, settings })
  await useSender(pushService.origin)
  afterEach(closeTabs)

  /** A tab whose browser subscribes at the push service of the tests; Chromium's own cannot be reached. */
  async function openSubscribing(browser: string, endpoint = pushService.endpoint(browser)): Promise<Page> {
    const page = await open({ permissions: ['notifications'], locale: 'fa' })
    await page.context().addInitScript(subscribeAt, endpoint)
    return page
  }
  const watchAndSubscribe = async (page: Page, hash: string): Promise<void> => {
    await watchAt(server.address, hash, page)
    await page.getByRole('button', { name: fa('progress.notify') }).click()
    await page.getByText(fa('progress.notify_closed')).waitFor()
  }

  // Only Chromium's own protocol delivers pushes.
  it.skipIf(inFirefox)(
    'a browser without an open tab shows the news in the language of the page, and a click opens it',
    async () => {
      const hash = await server.given([START], { service_slug: 'credit-score-rating' })
      const page = await openSubscribing('closed')
      await watchAndSubscribe(page, hash)
      await page.reload()
      await page.locator('[data-live=notify][aria-pressed=true]').waitFor()
      const elsewhere = await page.context().newPage()
      await page.close()
      const worker = await workerOf(elsewhere.context())
      await worker.evaluate(recordShown)
      const push = async (): Promise<Shown[]> => {
        const before = (await worker.evaluate(shownSoFar)).length
        await deliverPush(elsewhere, server.address)
        return eventually(async () => {
          const shown = (await worker.evaluate(shownSoFar)).slice(before)
          expect(shown).toHaveLength(1)
          return shown
        })
      }

      await server.apply(hash, COMPLETE)
      await eventually(() => expect(pushService.of('closed')).toMatchObject([{ fault: null }]))
      const shown = await push()
      expect(shown).toMatchObject([{ tag: hash, body: fa('result.title'), lang: 'fa', dir: 'rtl' }])
      expect(shown[0]?.title).toContain(fa('live.title.completed', { title: '' }).trim())
      // A second push without news shows the same notification in its place.
      expect(await push()).toEqual(shown)
      const result = at('result', hash, 'credit-score-rating')
      expect(await worker.evaluate(clickNotification, shown[0])).toBe(result)

      await redis.del(redis.names.record(hash), redis.names.backup(hash))
      expect(await push()).toMatchObject([{ title: fa('progress.notify_fallback'), tag: hash }])
    },
  )

  it('a browser unsubscribes with a second click', async () => {
    const hash = await server.given([START])
    const page = await openSubscribing('twice')
    await watchAndSubscribe(page, hash)
    await page.getByRole('button', { name: fa('progress.notify') }).click()
    await page.locator('[data-live=notify][aria-pressed=false]').waitFor()
    await eventually(async () => expect(await redis.exists(redis.names.push(hash))).toBe(0))
    expect(await page.getByText(fa('progress.notify_closed')).isVisible()).toBe(false)
  })

  it('a page whose push service the server does not know notifies while it is open', async () => {
    const hash = await server.given([START])
    const page = await openSubscribing('unknown', 'https://unknown.example/push')
    await watchAt(server.address, hash, page)
    const refused = page.waitForResponse((response) => response.status() === 422)
    await page.getByRole('button', { name: fa('progress.notify') }).click()
    await refused
    await page.locator('[data-live=notify][aria-pressed=true]').waitFor()
    expect(await page.getByText(fa('progress.notify_closed')).isVisible()).toBe(false)
    await page.evaluate(recordShown)
    await loseFocus(page)
    await server.apply(hash, COMPLETE)
    await eventually(async () =>
      expect(await page.evaluate(shownSoFar)).toMatchObject([{ tag: hash, lang: 'fa' }]),
    )
  })
})

/** Sends pushes as the workers do. */
async function useSender(origin: string): Promise<void> {
  const secret = await openInstallationSecret(redis)
  const client = createPushClient({
    keys: createVapidKeys(secret),
    contact: 'mailto:a@example.com',
    hosts: [origin],
  })
  const sender = startPushSender({
    store: createRequestStore({ redis, ttlSeconds: TTL_SECONDS }),
    subscriptions: createPushSubscriptions({ redis }),
    client,
    log: quiet,
    now: Date.now,
    lookAgainMs: 10,
    everyMs: 10,
  })
  cleanUp(async () => {
    await sender.stop()
    await client.stop()
    secret.stop()
  })
}

type Shown = NotificationOptions & { title: string }

const workerOf = async (context: BrowserContext): Promise<Worker> =>
  context.serviceWorkers()[0] ?? (await context.waitForEvent('serviceworker'))

/** As the browser does when its push service sends it an empty push, without a tab of the site. */
async function deliverPush(page: Page, server: string): Promise<void> {
  const session = await page.context().newCDPSession(page)
  const registered = new Promise<string>((resolve) =>
    session.on('ServiceWorker.workerRegistrationUpdated', ({ registrations }) => {
      const own = registrations.find(({ scopeURL }) => scopeURL === `${server}/`)
      if (own) resolve(own.registrationId)
    }),
  )
  await session.send('ServiceWorker.enable')
  await session.send('ServiceWorker.deliverPushMessage', {
    origin: server,
    registrationId: await registered,
    data: '',
  })
  await session.detach()
}

/** Playwright emulates the focus in every tab of Chromium. */
async function stopEmulatingFocus(page: Page): Promise<void> {
  if (inFirefox) return
  const session = await page.context().newCDPSession(page)
  await session.send('Emulation.setFocusEmulationEnabled', { enabled: false })
}

async function loseFocus(page: Page): Promise<void> {
  await stopEmulatingFocus(page)
  await (await page.context().newPage()).bringToFront()
  await page.waitForFunction(() => !document.hasFocus())
}

/** Some browsers cache a page for "Back" in spite of `no-store`; Chromium only without it. */
function dropCacheControl(_req: unknown, res: ServerResponse): void {
  const { setHeader } = res
  res.setHeader = (name, value) =>
    name.toLowerCase() === 'cache-control' ? res : setHeader.call(res, name, value)
}

const notifyButton = (page: Page) => page.getByRole('button', { name: t('progress.notify') })

// What follows runs in the page.

/** As in Chromium on Android. */
function refuseToConstruct(): void {
  class Refusing {
    static readonly permission = 'default'
    constructor() {
      throw new TypeError('Illegal constructor. Use ServiceWorkerRegistration.showNotification() instead.')
    }
  }
  Object.assign(globalThis, { Notification: Refusing })
}

function recordPersisted(): void {
  addEventListener('pageshow', ({ persisted }) => {
    document.documentElement.dataset.persisted = String(persisted)
  })
}

/** Tests cannot see notifications, because the browser shows them outside of the page. */
function recordNotifications(): void {
  const notified: string[] = []
  const { Notification } = globalThis
  class Recorded extends Notification {
    constructor(title: string, options?: NotificationOptions) {
      super(title, options)
      notified.push(title)
    }
  }
  Object.assign(globalThis, { notified, Notification: Recorded })
}

/** As a browser whose push service is at this endpoint. */
function subscribeAt(endpoint: string): void {
  const subscription = { endpoint, options: {}, unsubscribe: async () => true }
  Object.assign(PushManager.prototype, {
    subscribe: async () => {
      sessionStorage.setItem('subscribed', 'true')
      return subscription
    },
    getSubscription: async () => (sessionStorage.getItem('subscribed') ? subscription : null),
  })
}

// What follows runs in the page or in the service worker.

/** Chromium's own list may lose what is listed while it is being shown. */
function recordShown(): void {
  const shown: Shown[] = []
  const { showNotification } = ServiceWorkerRegistration.prototype
  Object.assign(globalThis, { shown })
  ServiceWorkerRegistration.prototype.showNotification = function (title, options) {
    shown.push({ title, ...options })
    return showNotification.call(this, title, options)
  }
}

const shownSoFar = (): Shown[] => (globalThis as unknown as { shown: Shown[] }).shown

/** Clicks the notification. @returns the address that this opens, which a test may not: it is no gesture of a user */
function clickNotification(notification: Shown | undefined): Promise<string> {
  return new Promise((resolve) => {
    const { clients } = globalThis as unknown as {
      clients: { openWindow(address: string): Promise<null> }
    }
    clients.openWindow = async (address) => {
      resolve(address)
      return null
    }
    const event = new Event('notificationclick')
    const waitUntil = (): void => {}
    dispatchEvent(Object.assign(event, { notification: { ...notification, close() {} }, waitUntil }))
  })
}
