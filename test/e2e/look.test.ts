/** A whole live run on one page, with motion: nothing jumps, and its end is a moment of its own. Then large text and wide screens. */
import type { Page } from 'playwright-core'
import { describe, expect, inject, it } from 'vitest'
import type { Command } from '../../core/domain/command.ts'
import { createTexts } from '../../core/i18n/index.ts'
import { setFontSize, useBrowser } from '../helpers/browser.ts'
import { isBrowserMissing } from '../helpers/browsers.ts'
import { progressTo, REQUIRE_OTP, START } from '../helpers/record.ts'
import { useRedis } from '../helpers/redis.ts'
import { code, heading, isConnected } from '../helpers/request-page.ts'
import { useServer } from '../helpers/server.ts'
import { creditScoreRating } from '../helpers/services.ts'
import { at as pageAt } from '../server/page-browser.ts'

const { address, given, apply } = await useServer(await useRedis(), { assets: inject('assets') })
const { open } = useBrowser()

const COMPLETE: Command = { type: 'complete', attempt: 1, result: { score: 712, rating: 'A' } }
const STEPS: Command[] = [
  { ...progressTo(20, 'Opening the credit portal…'), step: 'authentication' } as Command,
  { ...progressTo(42, 'Solving the captcha…'), step: 'captcha_solving' } as Command,
]
const request = (...commands: Command[]): Promise<string> => given(commands, { service: creditScoreRating })
const at = (page: string, hash: string): string => address + pageAt(page, hash, creditScoreRating.slug)

/**
 * Runs in the page before its scripts: collects shifts that no key or click of the last half second caused. `answering` is
 * set while the answer to one is awaited, which a busy machine gives later than that. Firefox reports none.
 */
function recordShifts(): void {
  const seen = { shift: 0, drawings: [] as (string | null)[], closed: false, answering: [0, 0] }
  Object.assign(globalThis, { seen })
  const isAnswer = (at: number): boolean => at >= (seen.answering[0] ?? 0) && at < (seen.answering[1] ?? 0)
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries() as (PerformanceEntry & {
      value: number
      hadRecentInput: boolean
    })[])
      if (!entry.hadRecentInput && !isAnswer(entry.startTime)) seen.shift += entry.value
  }).observe({ type: 'layout-shift', buffered: true })
  new MutationObserver(() => {
    const drawing = document.querySelector('.drawing')?.getAttribute('data-drawing') ?? null
    if (seen.drawings.at(-1) !== drawing) seen.drawings.push(drawing)
    if (document.querySelector('.closing .bar-fill[width="100%"]')) seen.closed = true
  }).observe(document, { subtree: true, childList: true, attributes: true })
}
/** What an answer has changed is painted in one of the next frames. */
const setAnswering = (page: Page, isOn: boolean): Promise<void> =>
  page.evaluate(async (on) => {
    const { seen } = globalThis as unknown as { seen: { answering: number[] } }
    const frame = (): Promise<unknown> => new Promise(requestAnimationFrame)
    if (!on) for (let frames = 0; frames < 3; frames++) await frame()
    seen.answering = on
      ? [performance.now(), Number.POSITIVE_INFINITY]
      : [seen.answering[0] ?? 0, performance.now()]
  }, isOn)
const seenBy = (page: Page) =>
  page.evaluate(
    () => (globalThis as unknown as { seen: { shift: number; drawings: string[]; closed: boolean } }).seen,
  )

describe.skipIf(isBrowserMissing)('the look of a live run', () => {
  it.each([
    ['en', 1280],
    ['fa', 360],
  ])(
    'a whole run shifts the layout by less than 0.02 and ends with a closed bar and a tick: %s, %i px',
    async (locale, width) => {
      const { t } = createTexts(locale)
      const page = await open({ locale, reducedMotion: 'no-preference', viewport: { width, height: 800 } })
      await page.addInitScript(recordShifts)
      const hash = await request()
      await page.goto(at('progress', hash))
      await isConnected(page, 'live')
      for (const command of [START, ...STEPS]) await apply(hash, command)
      await page.locator('[data-step=captcha_solving][data-state=current]').waitFor()
      await apply(hash, REQUIRE_OTP)
      await code(page).fill('123456')
      await setAnswering(page, true)
      await page.keyboard.press('Enter')
      await code(page).waitFor({ state: 'detached' })
      await setAnswering(page, false)
      await apply(hash, { ...progressTo(90, 'Reading your report…'), step: 'processing_result' } as Command)
      await page.locator('[data-step=processing_result][data-state=current]').waitFor()
      await apply(hash, COMPLETE)
      await heading(page, t('result.title')).waitFor()
      await page.locator('#main.just-done .drawing-tick').waitFor()
      const { shift, drawings, closed } = await seenBy(page)
      expect(drawings.filter(Boolean)).toEqual([
        'pending',
        'processing',
        'otp_required',
        'processing',
        'completed',
      ])
      expect(closed).toBe(true)
      expect(shift).toBeLessThan(0.02)
      // The tick is drawn when it happens, not on a reload.
      await page.reload()
      expect(await page.locator('.just-done').count()).toBe(0)
      await page.context().close()
    },
  )

  it.each([
    ['en', 360],
    ['fa', 360],
    ['en', 1280],
  ])(
    'a failed attempt and the next one shift the layout by less than 0.02: %s, %i px',
    async (locale, width) => {
      const page = await open({ locale, reducedMotion: 'no-preference', viewport: { width, height: 800 } })
      await page.addInitScript(recordShifts)
      const pulse = () =>
        page
          .locator('[aria-current=step] .step-title')
          .evaluate((title) => getComputedStyle(title, '::before').animationName)
      const hash = await request(START, ...STEPS)
      await page.goto(at('progress', hash))
      await isConnected(page, 'live')
      const error = { code: 'bot_unavailable', message: 'x', retryable: true }
      expect(await pulse()).toBe('breathe')
      await apply(hash, { type: 'retry', attempt: 1, nextRetryAt: Date.now() + 20_000, error })
      await page.locator('[data-live=bar][data-status=paused]').waitFor()
      expect(await pulse()).toBe('none')
      await apply(hash, { type: 'start', attempt: 2 })
      await heading(page, createTexts(locale).t('live.status.repeating')).waitFor()
      await apply(hash, { ...progressTo(60, 'Asking the portal…'), attempt: 2 } as Command)
      await page.locator('[data-live=attempt]:visible').waitFor()
      await page.locator('[data-live=bar][data-status=processing]').waitFor()
      expect((await seenBy(page)).shift).toBeLessThan(0.02)
      await page.context().close()
    },
  )

  it('a viewer who wants no motion sees the result without the moment before it', async () => {
    const page = await open({ locale: 'en' })
    await page.addInitScript(recordShifts)
    const hash = await request(START, ...STEPS)
    await page.goto(at('progress', hash))
    await isConnected(page, 'live')
    await apply(hash, COMPLETE)
    await heading(page, createTexts('en').t('result.title')).waitFor()
    expect((await seenBy(page)).closed).toBe(false)
    const animated = await page.evaluate(() => document.getAnimations().length)
    expect(animated).toBe(0)
  })

  it('the steps are beside the progress from 1024 px on, and below it on narrower screens', async () => {
    const page = await open({ locale: 'fa' })
    await page.goto(at('progress', await request(START, ...STEPS)))
    for (const [width, isBeside] of [
      [1024, true],
      [1000, false],
    ] as const) {
      await page.setViewportSize({ width, height: 800 })
      const [panel, steps] = await Promise.all(
        ['.panel', '.steps'].map((name) => page.locator(name).boundingBox()),
      )
      // Right to left: beside is on the left.
      expect((steps?.x ?? 0) + (steps?.width ?? 0) < (panel?.x ?? 0), `${width} px`).toBe(isBeside)
    }
  })

  it('with text of twice the size no page of 360 px scrolls sideways', async () => {
    const pages = {
      services: `${address}/`,
      form: `${address}/services/${creditScoreRating.slug}`,
      progress: at('progress', await request(START, ...STEPS)),
      code: at('progress', await request(START, ...STEPS, REQUIRE_OTP)),
      result: at('result', await request(START, ...STEPS, COMPLETE)),
      cancelled: at('result', await request(START, { type: 'cancel', by: 'user' })),
      unknown: `${address}/no-such-page`,
    }
    for (const locale of ['en', 'fa']) {
      // Without script all that a page can have is there.
      const page = await open({ locale, javaScriptEnabled: false, viewport: { width: 360, height: 740 } })
      await setFontSize(page, 32)
      for (const [name, url] of Object.entries(pages)) {
        await page.goto(url)
        expect(await page.evaluate(() => getComputedStyle(document.documentElement).fontSize)).toBe('32px')
        const ofScript = page.locator(':is([data-print], [data-share], [data-copies]):visible')
        expect(await ofScript.count(), `${locale}, ${name}`).toBe(0)
        const width = await page.evaluate(() => document.scrollingElement?.scrollWidth)
        expect(width, `${locale}, ${name}`).toBeLessThanOrEqual(360)
      }
    }
  })
})
