/** Text of bots on a page is neither changed nor cut, and stays in its place. */
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
/** With its line breaks, as laid out. */
// biome-ignore lint/performance/useDomNodeTextContent: the layout of the text is what the test checks
const shownText = (place: Locator) => place.innerText()
const LINES = 'first line\nsecond line\nthird line'

describe.skipIf(isChromiumMissing)('the text of a bot', () => {
  afterEach(closeTabs)

  it('a message keeps its line breaks, also in a live update', async () => {
    const hash = await given([START, progressTo(10, LINES)])
    const page = await open()
    await watchAt(address, hash, page)
    expect(await shownText(live(page, 'message'))).toBe(LINES)
    await apply(hash, progressTo(20, `${LINES}\nfourth line`))
    await live(page, 'message').filter({ hasText: 'fourth' }).waitFor()
    expect(await shownText(live(page, 'message'))).toBe(`${LINES}\nfourth line`)
  })

  it('a result keeps its line breaks', async () => {
    const hash = await given([START, { type: 'complete', attempt: 1, result: { note: LINES } }])
    const page = await open()
    await page.goto(address + at('result', hash))
    expect(await shownText(page.getByText('second line'))).toBe(LINES)
  })

  it('vowel marks and list bullets of a result are not cut off', async () => {
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

  it('stacked combining marks do not cover other texts', async () => {
    const stacked = `a${'\u0300'.repeat(200)}b${'\u0323'.repeat(200)}`
    const images: string[] = []
    for (const message of ['plain', stacked]) {
      const page = await open({ javaScriptEnabled: false })
      await page.goto(address + at('progress', await given([START, progressTo(10, message)])))
      await page.evaluate(() => document.fonts.ready)
      for (const around of ['.figures', '.steps'])
        images.push((await page.locator(around).screenshot()).toString('base64'))
    }
    expect(images[2]).toBe(images[0])
    expect(images[3]).toBe(images[1])
  })
})
