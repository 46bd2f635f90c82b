/** A browser for tests: one per file, its tabs, their traffic and errors, and accessibility checks. */
import type Axe from 'axe-core'
import type { RunOptions } from 'axe-core'
import type { Browser, BrowserContextOptions, Page } from 'playwright-core'
import { afterAll, beforeAll } from 'vitest'
import { BROWSER, inFirefox } from './browsers.ts'
import { emulate, setFontSizeInFirefox } from './firefox.ts'

export interface TestBrowser {
  /** Opens a tab in a context of its own, with its own cookies and these options. */
  open(options?: BrowserContextOptions): Promise<Page>
  /** Closes all tabs of all contexts. */
  closeTabs(): Promise<void>
}

/**
 * Call it at the top of a test file: one browser for all its tests.
 *
 * @param full as `launch` takes it
 */
export function useBrowser({ full = false, kind = BROWSER } = {}): TestBrowser {
  let browser: Browser
  beforeAll(async () => {
    if (!kind.isMissing) browser = await kind.launch({ full })
  })
  afterAll(() => browser?.close())
  return {
    async open(options) {
      // Without a GPU animations keep the processor busy; one test checks them.
      const all = { reducedMotion: 'reduce', ...options } as const
      const page = await (await browser.newContext(all)).newPage()
      if (kind.name === 'Firefox') await emulate(page, all)
      return page
    },
    async closeTabs() {
      await Promise.all((browser?.contexts() ?? []).map((context) => context.close()))
    },
  }
}

/** The font size that the user has set for pages. */
export async function setFontSize(page: Page, pixels: number): Promise<void> {
  if (inFirefox) return setFontSizeInFirefox(page, pixels)
  const devtools = await page.context().newCDPSession(page)
  await devtools.send('Page.enable')
  await devtools.send('Page.setFontSizes', { fontSizes: { standard: pixels } })
}

/** Errors that a page does not show, and its requests. */
export interface PageTraffic {
  /** Of the last navigation. */
  status: number
  errors: string[]
  addresses: Set<string>
}

export function recordTraffic(page: Page): PageTraffic {
  const traffic: PageTraffic = { status: 0, errors: [], addresses: new Set() }
  page.on('pageerror', (error) => traffic.errors.push(error.message))
  page.on('console', (message) => {
    // Chromium logs a page with status 404 as an error.
    const isPage = message.location().url === page.url()
    if (message.type() === 'error' && !isPage) traffic.errors.push(message.text())
  })
  page.on('response', (response) => {
    if (response.request().isNavigationRequest()) traffic.status = response.status()
  })
  page.on('request', (request) => traffic.addresses.add(request.url()))
  page.on('websocket', (socket) => traffic.addresses.add(socket.url()))
  return traffic
}

export const requestedHosts = ({ addresses }: PageTraffic): string[] => [
  ...new Set([...addresses].map((address) => new URL(address).host)),
]

/**
 * The accessibility violations that axe finds, with their elements.
 *
 * @param rules by default all, and the size of targets
 */
export async function accessibilityViolations(page: Page, rules?: string[]): Promise<string[]> {
  await page.addScriptTag({ url: '/assets/axe.js' })
  const options: RunOptions = rules
    ? { runOnly: { type: 'rule', values: rules } }
    : { rules: { 'target-size': { enabled: true } } }
  const { violations: found } = await page.evaluate(
    (options) => (globalThis as unknown as { axe: typeof Axe }).axe.run(options),
    options,
  )
  return found.flatMap(({ id, nodes }) => nodes.map(({ target }) => `${id}: ${target.join(' ')}`))
}
