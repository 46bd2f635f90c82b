/** The first visit to a request, with nothing in the browser's cache, as on a slow mobile network. */
import type { Page } from 'playwright-core'
import { afterEach, describe, expect, inject, it } from 'vitest'
import { recordTraffic, useBrowser } from '../helpers/browser.ts'
import { inFirefox, isBrowserMissing } from '../helpers/browsers.ts'
import { eventually } from '../helpers/eventually.ts'
import { START } from '../helpers/record.ts'
import { useRedis } from '../helpers/redis.ts'
import { isConnected, progressUrl } from '../helpers/request-page.ts'
import { useServer } from '../helpers/server.ts'

const { address, given } = await useServer(await useRedis(), {
  assets: inject('assets'),
  settings: { SITE_COLOR: '#7a1fa2' },
})
const { open, closeTabs } = useBrowser()

/** "Slow 3G": 400 kbit/s, and 400 ms for a round trip. */
const BYTES_PER_MS = 50
const ROUND_TRIP_MS = 400
/** What the browser may take for itself of the 1.2 s until the state is painted and the 2.5 s until it is live. */
const PAINTING_MS = 400
const CONNECTING_MS = 400

/** Bytes with headers, of what was loaded so far. */
const loaded = (page: Page): Promise<{ name: string; bytes: number }[]> =>
  page.evaluate(() =>
    [...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')].map(
      (entry) => ({ name: entry.name, bytes: (entry as PerformanceResourceTiming).transferSize }),
    ),
  )
const bytesOf = (entries: { bytes: number }[]): number => entries.reduce((sum, { bytes }) => sum + bytes, 0)
const isPainted = (page: Page): Promise<boolean> =>
  page.evaluate(() => performance.getEntriesByName('first-contentful-paint').length > 0)
const styleOf = (page: Page) =>
  page.evaluate(() => {
    const { fontSize, backgroundColor } = getComputedStyle(document.body)
    const { fill } = getComputedStyle(document.querySelector('.bar-fill') as Element)
    return { fontSize, backgroundColor, fill }
  })

describe.skipIf(isBrowserMissing)('a first visit', () => {
  afterEach(closeTabs)

  it.each(['en', 'fa'])('paints the state from the first answer alone: %s', async (locale) => {
    const page = await open({ locale })
    let release = (): void => {}
    const released = new Promise<void>((resolve) => {
      release = resolve
    })
    await page.route('**/assets/**', async (route) => {
      await released
      await route.continue()
    })
    const { errors } = recordTraffic(page)
    await page.goto(progressUrl(await given([START]), address), { waitUntil: 'commit' })
    await eventually(() => isPainted(page))
    const styles = await styleOf(page)
    const [answer] = (await loaded(page)).filter(({ name }) => name.startsWith(address))
    expect(ROUND_TRIP_MS + (answer?.bytes ?? 0) / BYTES_PER_MS).toBeLessThan(1200 - PAINTING_MS)

    release()
    await isConnected(page, 'live')
    // The file that is loaded now must not override the operator's colour.
    await page.locator('link[rel=stylesheet][href*="/style."]').waitFor({ state: 'attached' })
    await page.waitForLoadState('networkidle')
    await eventually(() => page.evaluate(() => document.styleSheets.length > 1))
    expect(await styleOf(page)).toEqual(styles)
    await page.reload()
    await isConnected(page, 'live')
    expect(await page.locator('style').count()).toBe(0)
    expect(await styleOf(page)).toEqual(styles)
    expect(errors).toEqual([])
  })

  it.each(['en', 'fa'])('is live after three round trips and few bytes: %s', async (locale) => {
    const page = await open({ locale })
    await page.goto(progressUrl(await given([START]), address), { waitUntil: 'commit' })
    await isConnected(page, 'live')
    const needed = (await loaded(page)).filter(({ name }) => /\/progress[/.]/.test(name))
    expect(needed).toHaveLength(2)
    // Page and script come one after the other, and nothing else before both are there. Then the socket is opened.
    const others = await page.evaluate(() => {
      const entries = performance.getEntriesByType('resource') as PerformanceResourceTiming[]
      const script = entries.find(({ name }) => name.includes('/progress.'))
      return entries
        .filter((entry) => entry !== script && entry.startTime < (script?.responseEnd ?? 0))
        .map(({ name }) => name)
    })
    expect(others.filter((name) => !name.includes('icon'))).toEqual([])
    const ms = 3 * ROUND_TRIP_MS + bytesOf(needed) / BYTES_PER_MS
    expect(ms).toBeLessThan(2500 - CONNECTING_MS)
  })

  it('loads the file of the styles once it is live, so that the next page has it in the cache', async () => {
    const page = await open()
    await page.goto(progressUrl(await given([START]), address))
    await isConnected(page, 'live')
    const file = page.locator('link[rel=stylesheet][href*="/style."]')
    await file.waitFor({ state: 'attached' })
    await page.waitForLoadState('networkidle')
    await page.goto(progressUrl(await given([START]), address))
    const style = (await loaded(page)).find(({ name }) => name.includes('/style.'))
    // Firefox reports no bytes for what it has in memory either.
    expect(style?.bytes ?? 0).toBe(0)
    expect(inFirefox || style !== undefined).toBe(true)
  })
})
