/** The operators' console in a browser: every page at two widths, the keyboard alone, live updates. */
import type { Page } from 'playwright-core'
import { afterEach, describe, expect, inject, it } from 'vitest'
import { shortReference } from '../../core/domain/short-reference.ts'
import { accessibilityViolations, recordTraffic, useBrowser } from '../helpers/browser.ts'
import { isChromiumMissing } from '../helpers/chromium.ts'
import { ADMIN_TOKEN, useConsole } from '../helpers/console.ts'
import { START } from '../helpers/record.ts'
import { useRedis } from '../helpers/redis.ts'
import { creditScoreRating } from '../helpers/services.ts'

const server = await useConsole(await useRedis(), { ADMIN_TOKEN }, { assets: inject('assets') })
const { address, given, apply, store } = server
const { open, closeTabs } = useBrowser()

const SERVICE = { service_slug: 'credit-score-rating', queue: creditScoreRating.queue.name }
const FAIL = {
  type: 'fail',
  attempt: 1,
  error: { code: 'timed_out', message: 'HTTP 418', retryable: false },
} as const

async function signIn(options: Parameters<typeof open>[0] = {}): Promise<Page> {
  const page = await open(options)
  await page.goto(`${address}/admin/sign-in`)
  await page.getByLabel('Token').fill(ADMIN_TOKEN)
  await page.keyboard.press('Enter')
  await page.getByRole('heading', { name: 'Now', level: 1 }).waitFor()
  return page
}
const pageOf = (hash: string): string => `/admin/requests/${shortReference(hash)}`

describe.skipIf(isChromiumMissing)('the console in a browser', () => {
  afterEach(closeTabs)

  it('no page of the console has an accessibility violation, an error or a sideways scroll, on a phone and a desk', async () => {
    const running = await given([START], SERVICE)
    const failed = await given([START], SERVICE)
    await apply(failed, FAIL)
    const page = await signIn()
    const traffic = recordTraffic(page)
    const paths = [
      '/admin',
      '/admin/requests',
      pageOf(running),
      pageOf(failed),
      '/admin/failed',
      '/admin/queues',
    ]
    for (const path of [...paths, '/admin?lang=fa', '/admin/requests']) {
      await page.goto(address + path)
      for (const width of [360, 1280]) {
        await page.setViewportSize({ width, height: 800 })
        expect(await accessibilityViolations(page), `${path} ${width}`).toEqual([])
        const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)
        expect(overflow, `${path} ${width}`).toBeLessThanOrEqual(0)
      }
    }
    expect(traffic.errors).toEqual([])
  })

  it('the raw queues work under their own policy, which blocks only the font of another host', async () => {
    await server.queues.probe('req_0000000000092031', creditScoreRating.queue)
    const page = await signIn()
    const traffic = recordTraffic(page)
    await page.goto(`${address}/admin/queues`)
    await page.getByRole('link', { name: 'The raw queues, read-only' }).click()
    await page.getByText(creditScoreRating.queue.name).first().waitFor()
    const blocked = traffic.errors.filter((error) => !error.includes('fonts.googleapis.com'))
    expect(blocked).toEqual([])
  })

  it('a request is cancelled with a reason by the keyboard alone', async () => {
    const hash = await given([START], SERVICE)
    const page = await signIn()
    await page.goto(address + pageOf(hash))
    const summary = page.locator('summary')
    while (!(await summary.evaluate((element) => element === document.activeElement)))
      await page.keyboard.press('Tab')
    await page.keyboard.press('Enter')
    await page.keyboard.press('Tab')
    await page.keyboard.type('Closed today.')
    await page.keyboard.press('Tab')
    await page.keyboard.press('Enter')
    await page.getByText('Cancelled', { exact: true }).first().waitFor()
    expect((await store.read(hash))?.record).toMatchObject({
      status: 'cancelled',
      cancel_reason: 'Closed today.',
    })
  })

  it('a page follows by the event stream, and keeps what is typed, chosen, opened and focused', async () => {
    const first = await given([START], SERVICE)
    const page = await signIn()
    await page.goto(`${address}/admin/requests`)
    const box = page.locator(`#choice-${shortReference(first)}`)
    await box.check()
    const reason = page.getByLabel('Reason, for the person to read')
    await reason.fill('Closed')
    const second = await given([START], SERVICE)
    await page.locator(`#row-${shortReference(second)}`).waitFor()
    expect(await box.isChecked()).toBe(true)
    expect(await page.locator(`#choice-${shortReference(second)}`).isChecked()).toBe(false)
    expect(await reason.inputValue()).toBe('Closed')
    expect(await reason.evaluate((element) => element === document.activeElement)).toBe(true)

    await page.goto(address + pageOf(second))
    await page.locator('summary').click()
    await apply(second, { type: 'progress', attempt: 1, progress: 40 })
    await page.getByText('40%').waitFor()
    expect(await page.locator('details').evaluate((details: HTMLDetailsElement) => details.open)).toBe(true)
    await apply(second, FAIL)
    await page.getByRole('button', { name: 'Send this request again' }).waitFor()
  })
})
