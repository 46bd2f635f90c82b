/** A real Chromium, when the machine has one: Debian's package, or what CHROMIUM_PATH names. In CI there must be one. */
import { type Browser, chromium } from 'playwright-core'
import { findExecutable } from './executables.ts'

export const CHROMIUM = process.env.CHROMIUM_PATH ?? findExecutable('chromium')
/** The same without what only people need, at half the cost: Debian's chromium-headless-shell. */
const SHELL = findExecutable('chromium-headless-shell')
/** Where this is true, tests in a browser are skipped. */
export const lacksChromium = CHROMIUM === undefined && !process.env.CI

// Without its background services: they would look for hosts that are nobody's business here.
export const CHROMIUM_FLAGS = [
  '--no-sandbox',
  '--disable-quic',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

/** @param whole as people have it: with notifications, and pages that are kept as they were for "Back" */
export const launchChromium = ({ whole = false } = {}): Promise<Browser> =>
  chromium.launch({
    executablePath: whole || process.env.CHROMIUM_PATH ? CHROMIUM : (SHELL ?? CHROMIUM),
    args: CHROMIUM_FLAGS,
    ignoreDefaultArgs: whole ? ['--disable-back-forward-cache'] : [],
  })
