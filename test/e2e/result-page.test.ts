/** The page of a result with a value of each kind, in a real browser. */
import type { Page } from 'playwright-core'
import { describe, expect, inject, test } from 'vitest'
import { createCatalog } from '../../core/catalog/catalog.ts'
import { BUILT_IN, type Locale } from '../../core/i18n/index.ts'
import { accessibilityViolations, recordTraffic, requestedHosts, useBrowser } from '../helpers/browser.ts'
import { isChromiumMissing } from '../helpers/chromium.ts'
import { START } from '../helpers/record.ts'
import { useRedis } from '../helpers/redis.ts'
import { useServer } from '../helpers/server.ts'
import { creditScoreRating } from '../helpers/services.ts'
import { RESULT_FIELDS, TYPED_RESULT } from '../helpers/typed-result.ts'
import { at } from '../server/page-browser.ts'

const redis = await useRedis()
const service = { ...creditScoreRating, result: { headline: 'score', fields: RESULT_FIELDS } }
const server = await useServer(redis, { assets: inject('assets'), services: createCatalog([service]) })
const { open } = useBrowser()

async function openResult(page: Page, locale: Locale): Promise<void> {
  const hash = await server.given([START, { type: 'complete', attempt: 1, result: TYPED_RESULT }], {
    service_slug: service.slug,
  })
  await page.goto(`${server.address}${at('result', hash)}?lang=${locale}`)
}

describe.skipIf(isChromiumMissing)('a result with a value of each kind', () => {
  test.each(Object.keys(BUILT_IN))(
    'is accessible, fits the screen and loads only from the server (%s)',
    async (locale) => {
      const page = await open({ viewport: { width: 1200, height: 1000 } })
      const traffic = recordTraffic(page)
      await openResult(page, locale)
      expect(
        await page
          .locator('.panel img')
          .evaluateAll((all) => all.map((img) => (img as HTMLImageElement).naturalWidth)),
      ).toEqual([120, 120])
      expect(traffic.errors).toEqual([])
      expect(requestedHosts(traffic)).toEqual([new URL(server.address).host])
      for (const colorScheme of ['light', 'dark'] as const) {
        await page.emulateMedia({ colorScheme })
        expect(await accessibilityViolations(page), colorScheme).toEqual([])
        for (const width of [1200, 360, 320]) {
          await page.setViewportSize({ width, height: 1000 })
          expect(await page.evaluate(() => document.scrollingElement?.scrollWidth), `${width}`).toBe(width)
        }
      }
    },
  )
})
