/** The pages in a real browser, in front of the real processes: what script adds, and what remains when it is hindered. */
import axe from 'axe-core'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { hasChromium, type Overheard, overhear, startChromium } from '../helpers/browser.ts'
import { eventually } from '../helpers/eventually.ts'
import { type Halfway, startHalfway } from '../helpers/halfway.ts'

describe.skipIf(!hasChromium)('a person in a browser', () => {
  let halfway: Halfway
  let browser: Browser
  let context: BrowserContext
  let page: Page
  let heard: Overheard
  let people = 0
  let mobile: string

  beforeAll(async () => {
    halfway = await startHalfway({ DEMO_PORTAL_SPEED: '8' })
    browser = await startChromium()
  })
  afterAll(async () => {
    await browser.close()
    await halfway.stop()
  })
  beforeEach(async () => {
    mobile = `0912000${String(people++).padStart(4, '0')}`
    context = await browser.newContext({ bypassCSP: false })
    page = await context.newPage()
    heard = overhear(page)
  })
  afterEach(() => context.close())

  const begin = async (): Promise<void> => {
    await page.goto(`${halfway.url}/services/credit-score-rating`)
    await page.fill('[name=mobile]', mobile)
    await page.fill('[name=national_code]', '0012345679')
    await page.click('main form [type=submit]')
    await page.waitForURL(/\/progress\/req_/)
  }
  const typeCode = async (): Promise<void> => {
    await page.locator('input[name=otp]').waitFor()
    await page.fill('input[name=otp]', await halfway.codeSentTo(mobile))
    await page.click('form:has(input[name=otp]) [type=submit]')
  }
  const violations = async (): Promise<string[]> => {
    await page.evaluate(axe.source)
    const { violations: found } = await page.evaluate(() =>
      (globalThis as unknown as { axe: { run(): Promise<{ violations: { id: string }[] }> } }).axe.run(),
    )
    return found.map(({ id }) => id)
  }

  it('watches the request live, types the code in place and reads the result, and nothing is loaded from elsewhere', async () => {
    await begin()
    await page.locator('[data-live=connection]', { hasText: 'Live' }).waitFor()
    expect(await page.title()).toMatch(/^\d+% · Credit score/)
    await page.locator('input[name=otp]').waitFor()
    expect(page.url()).toContain('/progress/')
    expect(await page.title()).toMatch(/^Code needed/)
    expect(await page.evaluate(() => document.activeElement?.getAttribute('name'))).toBe('otp')
    await typeCode()
    await page.getByRole('heading', { name: 'Your result is ready' }).waitFor()
    expect(await page.locator('main').textContent()).toMatch(/Score\s*\d+/)
    expect(await page.title()).toMatch(/^Done/)
    expect(heard.errors).toEqual([])
    expect([...heard.hosts]).toEqual([new URL(halfway.url).host])
  })

  it('stays live by the event stream when the socket is blocked, and gets to the result', async () => {
    await page.routeWebSocket(/.*/, (socket) => socket.close())
    const stream = page.waitForRequest(/\/events$/)
    await begin()
    await stream
    await page.locator('[data-live=connection]', { hasText: 'Live' }).waitFor()
    await typeCode()
    await page.getByRole('heading', { name: 'Your result is ready' }).waitFor()
  })

  it('still gets to the result by polling when everything else is blocked', async () => {
    await page.routeWebSocket(/.*/, (socket) => socket.close())
    await page.route(/\/events$|[?&]wait=/, (route) => route.abort())
    await begin()
    await page.locator('[data-live=connection]', { hasText: 'every 5' }).waitFor()
    await typeCode()
    await page.getByRole('heading', { name: 'Your result is ready' }).waitFor()
  })

  it('can do all of it without script', async () => {
    await context.close()
    context = await browser.newContext({ javaScriptEnabled: false })
    page = await context.newPage()
    await begin()
    await eventually(
      async () => {
        await page.click('[data-live=check]')
        expect(await page.locator('input[name=otp]').count()).toBe(1)
      },
      { withinMs: 30_000 },
    )
    await typeCode()
    await eventually(
      async () => {
        if (page.url().includes('/progress/')) await page.click('[data-live=check]')
        expect(await page.locator('h1').textContent()).toContain('Your result is ready')
      },
      { withinMs: 30_000 },
    )
  })

  it('is asked once before a request is cancelled, with the focus on going on', async () => {
    await begin()
    await page.click('[data-opens=cancel-dialog]')
    expect(await page.evaluate(() => document.activeElement?.textContent)).toBe('Keep going')
    await page.click('dialog [action*="/cancel/"] [type=submit], dialog form[action*="/cancel/"] button')
    await page.getByRole('heading', { name: 'Cancelled' }).waitFor()
  })

  it('finds nothing that keeps a screen reader out', async () => {
    for (const path of ['/', '/services/credit-score-rating', '/nowhere']) {
      await page.goto(`${halfway.url}${path}`)
      expect(await violations(), path).toEqual([])
    }
    await begin()
    expect(await violations(), 'progress').toEqual([])
    await page.locator('input[name=otp]').waitFor()
    expect(await violations(), 'code').toEqual([])
    await typeCode()
    await page.getByRole('heading', { name: 'Your result is ready' }).waitFor()
    expect(await violations(), 'result').toEqual([])
  })
})
