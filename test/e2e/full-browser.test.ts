/** A request page in the full browser, with the back-forward cache and notifications. */
import type { ServerResponse } from 'node:http'
import type { Page } from 'playwright-core'
import { afterEach, describe, expect, inject, it } from 'vitest'
import { createTexts } from '../../core/i18n/index.ts'
import { useBrowser } from '../helpers/browser.ts'
import { isChromiumMissing } from '../helpers/chromium.ts'
import { progressTo, REQUIRE_OTP, START } from '../helpers/record.ts'
import { useRedis } from '../helpers/redis.ts'
import { heading, shows, watchAt } from '../helpers/request-page.ts'
import { useServer } from '../helpers/server.ts'

const { address, given, apply, http } = await useServer(await useRedis(), { assets: inject('assets') })
const { open, closeTabs } = useBrowser({ full: true })
const watch = (hash: string, page: Page): Promise<void> => watchAt(address, hash, page)

const { t } = createTexts('en')
const COMPLETE = { type: 'complete', attempt: 1, result: { score: 712 } } as const

describe.skipIf(isChromiumMissing)('a page of a running request', () => {
  afterEach(closeTabs)

  it.each([
    ['loaded again', false],
    ['from the back-forward cache', true],
  ])('a page on "Back" shows the current state: %s', async (_name, isCached) => {
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
    // Playwright emulates the focus in every tab.
    for (const tab of [page, otherTab]) {
      const session = await tab.context().newCDPSession(tab)
      await session.send('Emulation.setFocusEmulationEnabled', { enabled: false })
    }
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

  it('a page shows that notifications are blocked only once they are requested', async () => {
    const hash = await given([START])
    const page = await open()
    await watch(hash, page)
    const [button, blocked] = [notifyButton(page), page.getByText(t('progress.notify_blocked'))]
    expect(await blocked.isVisible()).toBe(false)
    await button.click()
    await blocked.waitFor()
    expect(await button.isVisible()).toBe(false)
  })

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
