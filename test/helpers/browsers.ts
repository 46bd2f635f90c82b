/** The browsers that tests run in. */
import type { Browser } from 'playwright-core'
import { isChromiumMissing, launchChromium } from './chromium.ts'
import { isFirefoxMissing, launchFirefox } from './firefox.ts'

export interface BrowserKind {
  name: 'Chromium' | 'Firefox'
  /** Its tests are skipped. */
  isMissing: boolean
  /** @param full the browser as users have it, with notifications and the back-forward cache */
  launch(options: { full: boolean }): Promise<Browser>
}

const CHROMIUM: BrowserKind = { name: 'Chromium', isMissing: isChromiumMissing, launch: launchChromium }
const FIREFOX: BrowserKind = { name: 'Firefox', isMissing: isFirefoxMissing, launch: launchFirefox }

export const BROWSERS = [CHROMIUM, FIREFOX] as const

/** All browser tests run in Firefox with HALFWAY_TEST_BROWSER=firefox. */
export const inFirefox = process.env.HALFWAY_TEST_BROWSER === 'firefox'
export const BROWSER = inFirefox ? FIREFOX : CHROMIUM
export const isBrowserMissing = BROWSER.isMissing
