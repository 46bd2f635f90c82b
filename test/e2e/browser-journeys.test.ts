/** Whole journeys in each browser, with the real processes. */
import type { Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { textIn } from '../../core/catalog/text.ts'
import { createTexts } from '../../core/i18n/index.ts'
import { type PageTraffic, recordTraffic, useBrowser } from '../helpers/browser.ts'
import { BROWSERS } from '../helpers/browsers.ts'
import { eventually } from '../helpers/eventually.ts'
import { type Halfway, startHalfway } from '../helpers/halfway.ts'
import { hasFocus, tabTo } from '../helpers/keyboard.ts'
import { creditScoreRating } from '../helpers/services.ts'

const NATIONAL_CODE = '0012345679'
const inPersian = (digits: string): string => digits.replace(/\d/g, (digit) => '۰۱۲۳۴۵۶۷۸۹'[Number(digit)]!)

/** Each has an inbox of its own. */
let mobiles = 0
const newMobile = (): string => `0912000000${++mobiles}`

let halfway: Halfway
beforeAll(async () => {
  if (BROWSERS.some(({ isMissing }) => !isMissing)) halfway = await startHalfway()
})
afterAll(() => halfway?.stop())

describe.each(BROWSERS.map((kind) => ({ kind, ...kind })))('a user in $name', ({ kind, isMissing }) => {
  const { open, closeTabs } = useBrowser({ kind })
  afterEach(closeTabs)

  it.skipIf(isMissing).each([
    { locale: 'en', browserLocale: 'en-GB', typed: (text: string) => text },
    { locale: 'fa', browserLocale: 'fa-IR', typed: inPersian },
  ] as const)(
    'a user gets to the result by keyboard alone, and the browser stores no code: $locale',
    async ({ locale, browserLocale, typed }) => {
      const mobile = newMobile()
      const { t } = createTexts(locale)
      const page = await open({ locale: browserLocale })
      const traffic = recordTraffic(page)
      const button = (name: string) => page.getByRole('button', { name, exact: true })

      await page.goto(`${halfway.url}/`)
      await tabTo(page, page.getByRole('link', { name: textIn(creditScoreRating.title, locale) }))
      await page.keyboard.press('Enter')
      await page.waitForURL(/\/services\/credit-score-rating$/)
      await tabTo(page, page.locator('[name=national_code]'))
      await page.keyboard.type(typed(NATIONAL_CODE))
      await tabTo(page, page.locator('[name=mobile]'), 'Shift+Tab')
      await page.keyboard.type(typed(mobile))
      await tabTo(page, button(t('form.submit')))
      await page.keyboard.press('Enter')
      await page.waitForURL(/\/progress\/req_/)

      const code = await halfway.codeSentTo(mobile)
      const field = page.locator('input[name=otp]')
      await field.waitFor()
      await eventually(async () => expect(await hasFocus(field)).toBe(true))
      await page.keyboard.type(typed(code))
      await page.keyboard.press('Enter')
      await page.getByRole('heading', { level: 1, name: t('result.title') }).waitFor()
      await tabTo(page, page.getByRole('link', { name: t('result.download') }))

      for (const form of [code, inPersian(code)])
        expect(await storedByBrowser(page, traffic)).not.toContain(form)
      expect(traffic.errors).toEqual([])
    },
  )

  it.skipIf(isMissing)('a user gets to the result without script', async () => {
    const mobile = newMobile()
    const page = await open({ javaScriptEnabled: false })
    await page.goto(`${halfway.url}/services/credit-score-rating`)
    await page.fill('[name=mobile]', mobile)
    await page.fill('[name=national_code]', NATIONAL_CODE)
    await page.click('main form [type=submit]')
    const checkUntil = (claim: () => Promise<void>): Promise<void> =>
      eventually(
        async () => {
          if (page.url().includes('/progress/')) await page.click('[data-live=check]')
          await claim()
        },
        { withinMs: 30_000 },
      )
    await checkUntil(async () => expect(await page.locator('input[name=otp]').count()).toBe(1))
    await page.fill('input[name=otp]', await halfway.codeSentTo(mobile))
    await page.click('form:has(input[name=otp]) [type=submit]')
    await checkUntil(async () => expect(await page.locator('h1').textContent()).toBe('Your result is ready'))
  })
})

/** Every place where a browser may store, show or send typed text. */
async function storedByBrowser(page: Page, { addresses }: PageTraffic): Promise<string> {
  const inPage = await page.evaluate(async () => ({
    address: location.href,
    title: document.title,
    historyState: history.state,
    local: { ...localStorage },
    session: { ...sessionStorage },
    databases: await indexedDB.databases(),
    caches: await caches.keys(),
    visited: navigation.entries().map((entry) => [entry.url, entry.getState()]),
  }))
  return JSON.stringify([inPage, await page.context().cookies(), [...addresses]])
}
