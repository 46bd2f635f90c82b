/**
 * The installed Firefox: FIREFOX_PATH, or Debian's firefox-esr. Required in CI. Playwright drives it over WebDriver BiDi,
 * which in this Firefox cannot emulate what a user prefers; Firefox's own interfaces can.
 */
import { type Browser, type BrowserContextOptions, firefox, type Page } from 'playwright-core'
import { findExecutable } from './executables.ts'
import { HOSTS } from './hosts.ts'

const FIREFOX = process.env.FIREFOX_PATH ?? findExecutable('firefox-esr')
export const isFirefoxMissing = FIREFOX === undefined && !process.env.CI

/** @param full with the back-forward cache, out of which Playwright knows no page */
export async function launchFirefox({ full = false } = {}): Promise<Browser> {
  const browser = await firefox.launch({
    channel: 'moz-firefox',
    executablePath: FIREFOX,
    args: ['--remote-allow-system-access'],
    firefoxUserPrefs: {
      'network.dns.localDomains': Object.values(HOSTS).join(','),
      'ui.prefersReducedMotion': 1,
      'ui.useOverlayScrollbars': 1,
      // The tab that such a page replaces loses what is emulated.
      'browser.tabs.remote.useCrossOriginOpenerPolicy': false,
      'browser.sessionhistory.max_total_viewers': full ? -1 : 0,
    },
  })
  const sessions: Session = Object.getPrototypeOf(sessionOf(browser))
  const { send } = sessions
  // Playwright sends it for each context, and Firefox does not know it.
  sessions.send = async function (method, params) {
    return method === 'emulation.setMediaFeaturesOverride' ? {} : send.call(this, method, params)
  }
  return browser
}

type Media = NonNullable<Parameters<Page['emulateMedia']>[0]>

/** Sets what Playwright does not set in Firefox, also when the test calls `page.emulateMedia`. */
export async function emulate(page: Page, options: BrowserContextOptions): Promise<void> {
  const tab = internal<{ delegate: { _session: Session } }>(page).delegate._session.sessionId
  const set = (properties: object): Promise<void> => runPrivileged(page, setInTab, { tab, properties })
  page.emulateMedia = ({ media, colorScheme, reducedMotion, forcedColors }: Media = {}) =>
    set({
      mediumOverride: media,
      prefersColorSchemeOverride: colorScheme,
      prefersReducedMotionOverride: reducedMotion,
      forcedColorsOverride: forcedColors,
    })
  await page.emulateMedia(options)
  await set({ allowJavascript: options.javaScriptEnabled })
}

export const setFontSizeInFirefox = (page: Page, pixels: number): Promise<void> =>
  runPrivileged(page, setFontSizes, pixels)

/** Runs the function in Firefox's own window. */
async function runPrivileged<T>(page: Page, run: (argument: T) => void, argument: T): Promise<void> {
  const session = sessionOf(page.context().browser() as Browser)
  const { contexts } = await session.send('browsingContext.getTree', { 'moz:scope': 'chrome' })
  const { exceptionDetails } = await session.send('script.evaluate', {
    expression: `(${run})(${JSON.stringify(argument)})`,
    target: { context: contexts?.[0]?.context },
    awaitPromise: false,
  })
  if (exceptionDetails) throw new Error(exceptionDetails.text)
}

// What Playwright does not export.

interface Session {
  sessionId: string
  send(
    method: string,
    params: object,
  ): Promise<{ contexts?: { context: string }[]; exceptionDetails?: { text: string } }>
}

/** What is behind an object of Playwright. */
const internal = <T>(object: Browser | Page): T =>
  (object as unknown as { _connection: { toImpl(object: unknown): T } })._connection.toImpl(object)

const sessionOf = (browser: Browser): Session =>
  internal<{ _browserSession: Session }>(browser)._browserSession

// What follows runs in Firefox's own window.

declare const ChromeUtils: {
  importESModule(url: string): { NavigableManager: { getBrowsingContextById(id: string): object } }
}
declare const Services: { prefs: { setIntPref(name: string, value: number): void } }

function setInTab({ tab, properties }: { tab: string; properties: object }): void {
  const { NavigableManager } = ChromeUtils.importESModule(
    'chrome://remote/content/shared/NavigableManager.sys.mjs',
  )
  Object.assign(NavigableManager.getBrowsingContextById(tab), properties)
}

function setFontSizes(pixels: number): void {
  for (const script of ['x-western', 'ar']) Services.prefs.setIntPref(`font.size.variable.${script}`, pixels)
}
