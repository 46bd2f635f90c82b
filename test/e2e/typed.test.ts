/** Typed values survive a change of the page, and a code is stored in the document alone. */
import type { Page } from 'playwright-core'
import { afterEach, describe, expect, inject, it } from 'vitest'
import { createTexts } from '../../core/i18n/index.ts'
import { useBrowser } from '../helpers/browser.ts'
import { isBrowserMissing } from '../helpers/browsers.ts'
import { REQUIRE_OTP, START } from '../helpers/record.ts'
import { useRedis } from '../helpers/redis.ts'
import { code, isConnected } from '../helpers/request-page.ts'
import { CREDIT_SCORE, useServer } from '../helpers/server.ts'
import { at } from '../server/page-browser.ts'

const { address, given, apply } = await useServer(await useRedis(), { assets: inject('assets') })
const { open, closeTabs } = useBrowser()
const { t } = createTexts('en')
const { mobile } = CREDIT_SCORE.request_data

const stored = (page: Page): Promise<string> =>
  page.evaluate(() =>
    JSON.stringify([localStorage, sessionStorage, document.cookie, history.state, location.href]),
  )
const changeLanguage = async (page: Page, to: string): Promise<void> => {
  await page.locator('a.language').click()
  await page.locator(`html[lang=${to}]`).waitFor()
}

describe.skipIf(isBrowserMissing)('typed values', () => {
  afterEach(closeTabs)

  it('a typed code of the wrong length stays in its field', async () => {
    const page = await open()
    await page.goto(address + at('otp', await given([START, REQUIRE_OTP])))
    await code(page).fill('98765')
    await page.keyboard.press('Enter')
    await page.locator('#otp-error').waitFor()
    expect(await code(page).inputValue()).toBe('98765')
    expect(await stored(page)).not.toContain('98765')
  })

  it('a typed code stays in its field when a resend is requested', async () => {
    const page = await open()
    const hash = await given(
      [START, { ...REQUIRE_OTP, otp: { id: 'otp-1', length: 6, expires_in: 300 } } as typeof REQUIRE_OTP],
      {
        now: Date.now() - 31_000,
      },
    )
    await page.goto(address + at('otp', hash))
    await code(page).fill('987')
    await page.getByRole('button', { name: t('live.resend') }).click()
    await page.getByText(t('code.resent')).waitFor()
    expect(await code(page).inputValue()).toBe('987')
    const message = 'Another code was sent. The one before no longer works.'
    const otp = { id: 'otp-2', length: 6, expires_in: 300, message }
    await apply(hash, { ...REQUIRE_OTP, otp } as typeof REQUIRE_OTP)
    await page.getByRole('status').getByText(message).waitFor()
    // Not a second time below.
    expect(await page.locator('[data-live=message]').isVisible()).toBe(false)
  })

  it('a typed code stays in its field in the other language, and the page stays live', async () => {
    const page = await open({ locale: 'en-GB' })
    await page.goto(address + at('progress', await given([START, REQUIRE_OTP])))
    await isConnected(page, 'live')
    await code(page).fill('98765')
    await changeLanguage(page, 'fa')
    expect(await code(page).inputValue()).toBe('98765')
    expect(await page.locator('html').getAttribute('dir')).toBe('rtl')
    expect(await page.title()).toContain(createTexts('fa').t('site.name'))
    await isConnected(page, 'live')
    await changeLanguage(page, 'en')
    expect(await code(page).inputValue()).toBe('98765')
    expect(await stored(page)).not.toContain('98765')
  })

  it('typed form values stay in the other language, and can be sent from there', async () => {
    const page = await open({ locale: 'en-GB' })
    await page.goto(`${address}/services/credit-score-rating`)
    await page.locator('[name=mobile]').fill(mobile)
    await changeLanguage(page, 'fa')
    expect(await page.locator('[name=mobile]').inputValue()).toBe(mobile)
    await page.locator('[name=national_code]').fill('1')
    await page.keyboard.press('Enter')
    await page.locator('.error-summary').waitFor()
    expect(await page.locator('html').getAttribute('lang')).toBe('fa')
    await changeLanguage(page, 'en')
    expect(await page.locator('[name=national_code]').inputValue()).toBe('1')
  })
})
