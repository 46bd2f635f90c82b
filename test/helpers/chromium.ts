/** The installed Chromium: CHROMIUM_PATH or Debian's package. Required in CI. */
import { type Browser, chromium } from 'playwright-core'
import { findExecutable } from './executables.ts'
import { HOSTS } from './hosts.ts'

const CHROMIUM = process.env.CHROMIUM_PATH ?? findExecutable('chromium')
/** Debian's chromium-headless-shell: Chromium without a user interface, at half the cost. */
const SHELL = findExecutable('chromium-headless-shell')
export const isChromiumMissing = CHROMIUM === undefined && !process.env.CI

const FLAGS = [
  '--no-sandbox',
  '--disable-quic',
  // Without background services, which would send requests to other hosts.
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  `--host-resolver-rules=${Object.values(HOSTS)
    .map((host) => `MAP ${host} 127.0.0.1`)
    .join(',')}`,
]

/** @param full the browser as users have it, with notifications and the back-forward cache */
export const launchChromium = ({ full = false } = {}): Promise<Browser> =>
  chromium.launch({
    executablePath: full || process.env.CHROMIUM_PATH ? CHROMIUM : (SHELL ?? CHROMIUM),
    args: FLAGS,
    ignoreDefaultArgs: full ? ['--disable-back-forward-cache'] : [],
  })
