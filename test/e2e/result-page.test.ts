/** The page of a result with a value of each kind, in a real browser. */
import type { Page } from 'playwright-core'
import { describe, expect, inject, test } from 'vitest'
import { createCatalog } from '../../core/catalog/catalog.ts'
import { BUILT_IN, type Locale } from '../../core/i18n/index.ts'
import { accessibilityViolations, recordTraffic, requestedHosts, useBrowser } from '../helpers/browser.ts'
import { isBrowserMissing } from '../helpers/browsers.ts'
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

/** More rows than are shown at first. */
const RESULT = { ...TYPED_RESULT, lines: Array.from({ length: 12 }, () => TYPED_RESULT.lines).flat() }

async function openResult(page: Page, locale: Locale): Promise<void> {
  const hash = await server.given([START, { type: 'complete', attempt: 1, result: RESULT }], {
    service_slug: service.slug,
  })
  await page.goto(`${server.address}${at('result', hash)}?lang=${locale}`)
}

/** The most lines that a number in a table takes. */
const linesOfNumbers = (page: Page): Promise<number> =>
  page
    .locator('.table-box .number')
    .evaluateAll((all) =>
      Math.max(
        ...all.map((number) =>
          Math.round(
            number.getBoundingClientRect().height / Number.parseFloat(getComputedStyle(number).lineHeight),
          ),
        ),
      ),
    )

describe.skipIf(isBrowserMissing)('a result with a value of each kind', () => {
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
      ).toEqual(Array.from({ length: 13 }, () => 120))
      expect(traffic.errors).toEqual([])
      expect(requestedHosts(traffic)).toEqual([new URL(server.address).host])
      for (const colorScheme of ['light', 'dark'] as const) {
        await page.emulateMedia({ colorScheme })
        expect(await accessibilityViolations(page), colorScheme).toEqual([])
        for (const width of [1200, 360, 320]) {
          await page.setViewportSize({ width, height: 1000 })
          expect(await page.evaluate(() => document.scrollingElement?.scrollWidth), `${width}`).toBe(width)
          expect(await linesOfNumbers(page), `${width}`).toBeLessThanOrEqual(2)
        }
      }
    },
  )

  test('shows the other rows of a long table on request, and all of them in print', async () => {
    const page = await open({ viewport: { width: 1200, height: 1000 } })
    await openResult(page, 'en')
    const shown = () => page.locator('.table-box tbody tr:visible').count()
    const display = (selector: string) =>
      page
        .locator(selector)
        .first()
        .evaluate((element) => getComputedStyle(element).display)
    expect(await shown()).toBe(20)
    await page.emulateMedia({ media: 'print' })
    expect(await shown()).toBe(24)
    expect(await display('.table-box thead')).toBe('table-header-group')
    expect(await page.locator('.button:visible, .actions:visible, .show-all:visible').count()).toBe(0)
    expect(await page.locator('.timeline-entry:visible').count()).toBeGreaterThan(0)
    await page.emulateMedia({ media: 'screen' })
    await page.getByLabel('Show all 24 rows').check()
    expect(await shown()).toBe(24)

    // As cards: the same roles, and the words of the headings beside the values.
    await page.setViewportSize({ width: 320, height: 1000 })
    expect(await display('.table-box td')).toBe('flex')
    expect(await page.getByRole('columnheader').allTextContents()).toEqual([
      'Date',
      'Description',
      'Amount (IRR)',
      'Stamp',
    ])
    expect(await page.getByRole('row').count()).toBe(25)
    const box = page.locator('.table-box')
    expect(await box.evaluate((element) => element.scrollWidth - element.clientWidth)).toBe(0)
  })

  test('makes a link for others, sends and copies it, and ends it', async () => {
    const page = await open({ permissions: ['clipboard-read', 'clipboard-write'] })
    await page.addInitScript(() => {
      Object.assign(navigator, {
        share: async ({ url }: { url: string }) => {
          document.title = url
        },
      })
    })
    await openResult(page, 'en')
    await page.locator('form.share button').click()
    const link = await page.locator('#share-link').evaluate((element) => (element as HTMLAnchorElement).href)
    expect(link).toContain('/result/view_')
    const share = page.locator('section.share [data-share]')
    await share.click()
    expect(await page.title()).toBe(link)
    await page.getByRole('button', { name: 'Copy the link' }).click()
    await page.getByRole('button', { name: 'Copied' }).waitFor()
    expect(await page.evaluate(() => navigator.clipboard.readText())).toBe(link)
    await page.getByRole('button', { name: 'Stop sharing' }).click()
    await page.getByText('Sharing has stopped.').waitFor()
  })

  test('offers to copy the link, and to send it only where the system has a dialog for that', async () => {
    const page = await open()
    await page.addInitScript(() => Reflect.deleteProperty(Navigator.prototype, 'share'))
    await openResult(page, 'en')
    await page.locator('form.share button').click()
    await page.getByRole('button', { name: 'Copy the link' }).waitFor()
    expect(await page.getByRole('button', { name: 'Send the link' }).count()).toBe(0)
  })
})
