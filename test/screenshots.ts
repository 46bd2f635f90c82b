/**
 * `npm run screenshots`: takes the screenshots of the README. Starts Halfway with the bot of the tests, completes a request in
 * each language, and writes docs/screenshots/{page}-{language}.png.
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { BUILT_IN } from '../core/i18n/index.ts'
import { launchChromium } from './helpers/chromium.ts'
import { startHalfway } from './helpers/halfway.ts'

const FOLDER = join(import.meta.dirname, '../docs/screenshots')
const SIZE = { width: 640, height: 800 }
const MOBILE = '09123456789'
const NATIONAL_CODE = '0012345679'

mkdirSync(FOLDER, { recursive: true })
const halfway = await startHalfway(
  { TEST_BOT_STEP_MS: '1000', LOG_LEVEL: 'warn' },
  { preload: ['--import', 'tsx'] },
)
const browser = await launchChromium()
try {
  for (const locale of Object.keys(BUILT_IN)) {
    const context = await browser.newContext({ locale, viewport: SIZE, deviceScaleFactor: 2 })
    await takeScreenshots(await context.newPage(), (name) => join(FOLDER, `${name}-${locale}.png`))
    await context.close()
  }
} finally {
  await browser.close()
  await halfway.stop()
}

async function takeScreenshots(page: Page, pathFor: (name: string) => string): Promise<void> {
  const shoot = async (name: string): Promise<void> => {
    await page.evaluate(() => document.fonts.ready)
    await page.screenshot({ path: pathFor(name), animations: 'disabled' })
  }
  await page.goto(`${halfway.url}/services/credit-score-rating`)
  await page.fill('[name=mobile]', MOBILE)
  await page.fill('[name=national_code]', NATIONAL_CODE)
  await shoot('form')
  await page.click('main form [type=submit]')
  await page.locator('[data-step=captcha_solving][data-state=current]').waitFor()
  await shoot('progress')
  await page.locator('[name=otp]').waitFor()
  await page.fill('[name=otp]', await halfway.codeSentTo(MOBILE))
  await shoot('code')
  await page.click('form:has([name=otp]) [type=submit]')
  await page.locator('.outcome').waitFor()
  await shoot('result')
}
