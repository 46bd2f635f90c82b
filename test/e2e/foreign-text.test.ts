/** What bots write on a page stays as it was written, and where it belongs. */
import type { Locator } from 'playwright-core'
import { afterEach, describe, expect, inject, it } from 'vitest'
import { useBrowser } from '../helpers/browser.ts'
import { isChromiumMissing } from '../helpers/chromium.ts'
import { progressTo, START } from '../helpers/record.ts'
import { useRedis } from '../helpers/redis.ts'
import { live, watchAt } from '../helpers/request-page.ts'
import { useServer } from '../helpers/server.ts'
import { at } from '../server/page-browser.ts'

const { address, given, apply } = await useServer(await useRedis(), { assets: inject('assets') })
const { open, closeTabs } = useBrowser()
/** With its lines, as people see it. */
// biome-ignore lint/performance/useDomNodeTextContent: how the text is laid out is what is looked at
const shownText = (place: Locator) => place.innerText()
const LINES = 'first line\nsecond line\nthird line'

describe.skipIf(isChromiumMissing)('the text of a bot', () => {
  afterEach(closeTabs)

  it('keeps its lines in a message, also in one that comes later', async () => {
    const hash = await given([START, progressTo(10, LINES)])
    const page = await open()
    await watchAt(address, hash, page)
    expect(await shownText(live(page, 'message'))).toBe(LINES)
    await apply(hash, progressTo(20, `${LINES}\nfourth line`))
    await live(page, 'message').filter({ hasText: 'fourth' }).waitFor()
    expect(await shownText(live(page, 'message'))).toBe(`${LINES}\nfourth line`)
  })

  it('keeps its lines in a result', async () => {
    const hash = await given([START, { type: 'complete', attempt: 1, result: { note: LINES } }])
    const page = await open()
    await page.goto(address + at('result', hash))
    expect(await shownText(page.getByText('second line'))).toBe(LINES)
  })

  it('is shown whole, with its vowel marks and the bullets of its list', async () => {
    const marked = 'اِبَّٰ گٍیٍجٍ پِ صَلِّ مُحَمَّدٍ ژِ'
    const result = { score: marked, note: marked, list: [marked], rows: [{ [marked]: marked }] }
    const hash = await given([START, { type: 'complete', attempt: 1, result }], {
      service_slug: 'credit-score-rating',
    })
    for (const locale of ['en', 'fa']) {
      const page = await open({ javaScriptEnabled: false })
      await page.goto(`${address}${at('result', hash)}?lang=${locale}`)
      await page.evaluate(() => document.fonts.ready)
      const cut = await page.locator('#main').screenshot()
      await page.evaluate(() => {
        const sheet = new CSSStyleSheet()
        sheet.replaceSync(
          ':has(> bdi:only-child), .message { overflow: visible !important; clip-path: none !important }',
        )
        document.adoptedStyleSheets = [sheet]
      })
      expect([locale, cut.equals(await page.locator('#main').screenshot())]).toEqual([locale, true])
    }
  })

  it('does not reach over other texts with marks that are piled up', async () => {
    const piled = `a${'\u0300'.repeat(200)}b${'\u0323'.repeat(200)}`
    const pictures: string[] = []
    for (const message of ['plain', piled]) {
      const page = await open({ javaScriptEnabled: false })
      await page.goto(address + at('progress', await given([START, progressTo(10, message)])))
      await page.evaluate(() => document.fonts.ready)
      for (const around of ['.figures', '.steps'])
        pictures.push((await page.locator(around).screenshot()).toString('base64'))
    }
    expect(pictures[2]).toBe(pictures[0])
    expect(pictures[3]).toBe(pictures[1])
  })
})
