/** A real Chromium, when the machine has one: Debian's package, or what CHROMIUM_PATH names. In CI there must be one. */
import { type Browser, chromium } from 'playwright-core'
import { findExecutable } from './executables.ts'

export const CHROMIUM = process.env.CHROMIUM_PATH ?? findExecutable('chromium')
/** The same without what only people need, at half the cost: Debian's chromium-headless-shell. */
const SHELL = findExecutable('chromium-headless-shell')
/** Where this is true, tests in a browser are skipped. */
export const isChromiumMissing = CHROMIUM === undefined && !process.env.CI

// Without its background services: they would look for hosts that are nobody's business here.
export const CHROMIUM_FLAGS = [
  '--no-sandbox',
  '--disable-quic',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

/** @param full the browser as users have it, with notifications and the back-forward cache */
export const launchChromium = ({ full = false } = {}): Promise<Browser> =>
  chromium.launch({
    executablePath: full || process.env.CHROMIUM_PATH ? CHROMIUM : (SHELL ?? CHROMIUM),
    args: CHROMIUM_FLAGS,
    ignoreDefaultArgs: full ? ['--disable-back-forward-cache'] : [],
  })
