/** A real Chromium, when the machine has one: Debian's package, or what CHROMIUM_PATH names. In CI there must be one. */
import { existsSync } from 'node:fs'
import { type Browser, chromium } from 'playwright-core'

const CHROMIUM = process.env.CHROMIUM_PATH ?? '/usr/bin/chromium'
/** Where this is true, tests in a browser are skipped. */
export const lacksChromium = !existsSync(CHROMIUM) && !process.env.CI

// Without its background services: they would look for hosts that are nobody's business here.
const FLAGS = [
  '--no-sandbox',
  '--disable-quic',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

/** @param keepsPages whether pages are kept as they were for "Back", as people's browsers do; each page costs more then */
export const launchChromium = ({ keepsPages = false } = {}): Promise<Browser> =>
  chromium.launch({
    executablePath: CHROMIUM,
    args: FLAGS,
    ignoreDefaultArgs: keepsPages ? ['--disable-back-forward-cache'] : [],
  })
