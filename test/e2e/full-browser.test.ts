/** A request page in the whole of a browser: kept for "Back", and with notifications. */
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
    ['as ours are served', false],
    ['when the browser kept it as it was', true],
  ])('shows on "Back" how the request stands by now: %s', async (_how, isKept) => {
    const hash = await given([START, progressTo(10)])
    const page = await open()
    if (isKept) http.prependListener('request', dropCacheControl)
    await watch(hash, page)
    await page.evaluate(rememberPersisted)
    await page.goto(`${address}/`)
    await apply(hash, progressTo(60))
    // Playwright's own goBack waits for a load that a kept page does not have.
    // Once this has been answered: leaving the page in the middle of it would end the question, too.
    await page.evaluate(() => void setTimeout(() => history.back()))
    await shows(page, 60)
    if (isKept) expect(await page.evaluate(() => document.documentElement.dataset.persisted)).toBe('true')
    await apply(hash, progressTo(70))
    await shows(page, 70)
    http.off('request', dropCacheControl)
  })

  it('notifies who wished it and looks elsewhere, and nobody else', async () => {
    const [wished, other] = [await given([START]), await given([START])]
    const page = await open({ permissions: ['notifications'] })
    await page.addInitScript(writeDownNotifications)
    await watch(wished, page)
    const button = page.getByRole('button', { name: t('progress.notify') })
    expect(await button.getAttribute('aria-pressed')).toBe('false')
    await button.click()
    await page.locator('[data-live=notify][aria-pressed=true]').waitFor()
    await page.reload()
    await page.locator('[data-live=notify][aria-pressed=true]').waitFor()
    const elsewhere = await page.context().newPage()
    await elsewhere.addInitScript(writeDownNotifications)
    await watch(other, elsewhere)
    // Playwright makes every tab believe that it has the focus.
    for (const tab of [page, elsewhere]) {
      const session = await tab.context().newCDPSession(tab)
      await session.send('Emulation.setFocusEmulationEnabled', { enabled: false })
    }
    await elsewhere.bringToFront()
    await page.waitForFunction(() => !document.hasFocus())
    for (const hash of [wished, other])
      for (const change of [REQUIRE_OTP, COMPLETE]) await apply(hash, change)
    await Promise.all([page, elsewhere].map((tab) => heading(tab, t('result.title')).waitFor()))
    const notified = (tab: Page) =>
      tab.evaluate(() => (globalThis as unknown as { notified: string[] }).notified)
    expect((await notified(page)).at(-1)).toMatch(/^Done · /)
    expect(await notified(elsewhere)).toEqual([])
  })

  it('says that notifications are blocked when they are wished for, and not before', async () => {
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
    [
      'were refused before',
      () => void Object.defineProperty(Notification, 'permission', { value: 'denied' }),
    ],
    ['are there for service workers only', refuseToConstruct],
    ['are not there', () => void Reflect.deleteProperty(globalThis, 'Notification')],
  ])('does not offer notifications where they %s', async (_where, change) => {
    const hash = await given([START])
    const page = await open()
    await page.addInitScript(change)
    await watch(hash, page)
    expect(await notifyButton(page).isVisible()).toBe(false)
  })
})

/** Some browsers keep a page for "Back" in spite of `no-store`; Chromium only without it. */
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

function rememberPersisted(): void {
  addEventListener('pageshow', ({ persisted }) => {
    document.documentElement.dataset.persisted = String(persisted)
  })
}

/** The browser shows them outside of the page, where no test can look. */
function writeDownNotifications(): void {
  const notified: string[] = []
  const { Notification } = globalThis
  class Noted extends Notification {
    constructor(title: string, options?: NotificationOptions) {
      super(title, options)
      notified.push(title)
    }
  }
  Object.assign(globalThis, { notified, Notification: Noted })
}
