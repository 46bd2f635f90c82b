/**
 * Chromium and Firefox with the same driver, for tests of both. Both resolve the host names of `HOSTS` to this machine,
 * as a local name server does.
 */
import puppeteer, { type Browser } from 'puppeteer-core'
import { CHROMIUM, CHROMIUM_FLAGS, isChromiumMissing } from './chromium.ts'
import { findExecutable } from './executables.ts'

/** FIREFOX_PATH, or Debian's firefox-esr. Required in CI. */
const FIREFOX = process.env.FIREFOX_PATH ?? findExecutable('firefox-esr')

/** Not secure contexts, unlike `localhost` and 127.0.0.1. */
export const HOSTS = { own: 'some-name', foreign: 'other-name' } as const

interface BrowserKind {
  name: string
  /** Its tests are skipped. */
  isMissing: boolean
  launch(): Promise<Browser>
}

export const BROWSERS: readonly BrowserKind[] = [
  {
    name: 'Chromium',
    isMissing: isChromiumMissing,
    launch: () =>
      puppeteer.launch({
        executablePath: CHROMIUM,
        args: [
          ...CHROMIUM_FLAGS,
          `--host-resolver-rules=${Object.values(HOSTS)
            .map((host) => `MAP ${host} 127.0.0.1`)
            .join(',')}`,
        ],
      }),
  },
  {
    name: 'Firefox',
    isMissing: FIREFOX === undefined && !process.env.CI,
    launch: () =>
      puppeteer.launch({
        browser: 'firefox',
        executablePath: FIREFOX,
        extraPrefsFirefox: { 'network.dns.localDomains': Object.values(HOSTS).join(',') },
      }),
  },
]
