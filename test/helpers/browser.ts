/** Chromium for the tests: one a file, its tabs, and what went wrong in them. */
import type Axe from 'axe-core'
import type { RunOptions } from 'axe-core'
import type { Browser, BrowserContextOptions, Page } from 'playwright-core'
import { afterAll, beforeAll } from 'vitest'
import { isChromiumMissing, launchChromium } from './chromium.ts'

export interface TestBrowser {
  /** Opens a tab of a person of their own: nobody else's cookies, and the settings given. */
  open(options?: BrowserContextOptions): Promise<Page>
  /** Closes all tabs, of all people. */
  closeTabs(): Promise<void>
}

/**
 * To be called at the top of a test file: one browser for all its tests.
 *
 * @param full as `launchChromium` takes it
 */
export function useBrowser({ full = false } = {}): TestBrowser {
  let browser: Browser
  beforeAll(async () => {
    if (isChromiumMissing) return
    browser = await launchChromium({ full })
  })
  afterAll(() => browser?.close())
  return {
    // What moves is painted by the processor here, all the time: one test looks at it.
    open: async (options) => (await browser.newContext({ reducedMotion: 'reduce', ...options })).newPage(),
    async closeTabs() {
      await Promise.all((browser?.contexts() ?? []).map((context) => context.close()))
    },
  }
}

/** What went wrong on a page without anybody seeing it, and what it asked for. */
export interface PageTraffic {
  /** With which the last page came. */
  status: number
  errors: string[]
  addresses: Set<string>
}

export function recordTraffic(page: Page): PageTraffic {
  const traffic: PageTraffic = { status: 0, errors: [], addresses: new Set() }
  page.on('pageerror', (error) => traffic.errors.push(error.message))
  page.on('console', (message) => {
    // A page that says 404 and is one is no error.
    const isPage = message.location().url === page.url()
    if (message.type() === 'error' && !isPage) traffic.errors.push(message.text())
  })
  page.on('response', (answer) => {
    if (answer.request().isNavigationRequest()) traffic.status = answer.status()
  })
  page.on('request', (request) => traffic.addresses.add(request.url()))
  page.on('websocket', (socket) => traffic.addresses.add(socket.url()))
  return traffic
}

export const requestedHosts = ({ addresses }: PageTraffic): string[] => [
  ...new Set([...addresses].map((address) => new URL(address).host)),
]

/**
 * What keeps people out, as axe sees it, with the elements.
 *
 * @param rules these alone; by default all, and that targets are large enough
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
