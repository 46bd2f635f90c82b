/** The installed Chromium: CHROMIUM_PATH or Debian's package. Required in CI. */
import { type Browser, chromium } from 'playwright-core'
import { findExecutable } from './executables.ts'

export const CHROMIUM = process.env.CHROMIUM_PATH ?? findExecutable('chromium')
/** Debian's chromium-headless-shell: Chromium without a user interface, at half the cost. */
const SHELL = findExecutable('chromium-headless-shell')
/** Tests in a browser are skipped. */
export const isChromiumMissing = CHROMIUM === undefined && !process.env.CI

// Without background services, which would send requests to other hosts.
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
