/** "Back" and a reload after a mistake: no form is sent again, and the browser does not ask to resend one. */
import type { Page } from 'playwright-core'
import { afterEach, describe, expect, inject, it } from 'vitest'
import { createTexts } from '../../core/i18n/index.ts'
import { useBrowser } from '../helpers/browser.ts'
import { isBrowserMissing } from '../helpers/browsers.ts'
import { REQUIRE_OTP, START } from '../helpers/record.ts'
import { useRedis } from '../helpers/redis.ts'
import { code } from '../helpers/request-page.ts'
import { CREDIT_SCORE, useServer } from '../helpers/server.ts'
import { at } from '../server/page-browser.ts'

const { address, given } = await useServer(await useRedis(), { assets: inject('assets') })
const { open, closeTabs } = useBrowser()
const { t } = createTexts('en')
const { mobile, national_code } = CREDIT_SCORE.request_data

async function send(page: Page, nationalCode: string): Promise<void> {
  await page.locator('[name=national_code]').fill(nationalCode)
  await page.getByRole('button', { name: t('form.submit') }).click()
}

describe.skipIf(isBrowserMissing).each([
  ['with script', true],
  ['without script', false],
])('%s', (_name, javaScriptEnabled) => {
  afterEach(closeTabs)

  it('"Back" after a corrected mistake shows the form with the mistake', async () => {
    const page = await open({ javaScriptEnabled })
    await page.goto(`${address}/services/credit-score-rating`)
    await page.locator('[name=mobile]').fill(mobile)
    await send(page, '1')
    await page.locator('.error-summary').waitFor()
    await page.reload()
    await page.locator('.error-summary').waitFor()
    await send(page, national_code)
    await page.waitForURL(/\/progress\//)
    await page.goBack()
    await page.locator('.error-summary').waitFor()
    expect(await page.locator('[name=mobile]').inputValue()).toBe(mobile)
    await page.goBack()
    await page.locator('[name=mobile]').waitFor()
    expect(await page.locator('.error-summary').count()).toBe(0)
  })

  it('"Back" and a reload after a wrong code show the code page', async () => {
    const page = await open({ javaScriptEnabled })
    const hash = await given([START, REQUIRE_OTP])
    await page.goto(address + at('otp', hash))
    await code(page).fill('12')
    await page.keyboard.press('Enter')
    await page.locator('#otp-error').waitFor()
    await page.reload()
    await page.locator('#otp-error').waitFor()
    await page.goto(`${address}/`)
    await page.goBack()
    await page.locator('#otp-error').waitFor()
  })
})
