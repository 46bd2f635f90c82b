/** The live updates of a request page in a real browser, and its fallbacks when something fails. */
import type { Page } from 'playwright-core'
import { afterAll, afterEach, describe, expect, inject, it } from 'vitest'
import type { PublicView } from '../../core/domain/record.ts'
import { createTexts } from '../../core/i18n/index.ts'
import { freePort } from '../../core/redis/local-server.ts'
import { recordTraffic, useBrowser } from '../helpers/browser.ts'
import { isBrowserMissing } from '../helpers/browsers.ts'
import { type Child, startChild } from '../helpers/child.ts'
import { eventually } from '../helpers/eventually.ts'
import { hasFocus, tabTo } from '../helpers/keyboard.ts'
import { progressTo, REQUIRE_OTP, START } from '../helpers/record.ts'
import { useRedis } from '../helpers/redis.ts'
import {
  code,
  heading,
  isConnected,
  live,
  progressUrl,
  shows,
  typeCode,
  watchAt,
} from '../helpers/request-page.ts'
import { CREDIT_SCORE, useServer } from '../helpers/server.ts'

const redis = await useRedis()
const { address, api, given, apply, store } = await useServer(redis, { assets: inject('assets') })
const { open, closeTabs } = useBrowser()
const watch = (hash: string, page: Page, server = address): Promise<void> => watchAt(server, hash, page)

const { t } = createTexts('en')
const COMPLETE = { type: 'complete', attempt: 1, result: { score: 712 } } as const
const REJECT = { type: 'reject_otp', attempt: 1 } as const

const readStatus = async (hash: string): Promise<string | undefined> =>
  (await store.read(hash))?.record.status

describe.skipIf(isBrowserMissing)('a page of a running request', () => {
  afterEach(closeTabs)

  it('a page shows its queue position from the first moment on, and each new one', async () => {
    const submit = async (): Promise<PublicView> =>
      (await api.post('/api/local-requests').send(CREDIT_SCORE).expect(202)).body
    const [before, , own] = [await submit(), await submit(), await submit()]
    const page = await open()
    await page.addInitScript(recordPlaces)
    await watch(own.hash, page)
    await api.post(`/api/local-requests/${before.hash}/cancel`).expect(200)
    const moved = t('live.queue', { place: 2 })
    await live(page, 'message').filter({ hasText: moved }).waitFor()
    const shown = await page.evaluate(() => (globalThis as unknown as { places: string[] }).places)
    expect(shown).toEqual([t('live.queue', { place: 3 }), moved])
  })

  it('a page whose server is killed shows that it reconnects, keeps its state, and recovers by itself', async () => {
    const hash = await given([START, progressTo(30)])
    const port = String(await freePort())
    const start = async (): Promise<Child> => {
      const child = startChild('server/main.ts', [], { REDIS_URL: redis.url, PORT: port })
      await child.waitForOutput('server is ready')
      return child
    }
    const first = await start()
    const page = await open()
    await watch(hash, page, `http://127.0.0.1:${port}`)
    const top = (await page.locator('h1').boundingBox())?.y
    first.process.kill('SIGKILL')
    await first.ended
    await isConnected(page, 'reconnecting')
    await apply(hash, progressTo(60))
    expect(await live(page, 'percent').textContent()).toBe('30%')
    // The banner covers the header of the site: nothing moves.
    expect(await live(page, 'as-of').textContent()).toMatch(/^Reconnecting… Last update \d.*\.$/)
    expect(await live(page, 'connection').textContent()).toBe(t('live.meanwhile'))
    expect((await page.locator('h1').boundingBox())?.y).toBe(top)
    await start()
    await isConnected(page, 'live')
    await shows(page, 60)
    await apply(hash, COMPLETE)
    await heading(page, t('result.title')).waitFor()
  })

  it('a code typed in one tab closes the prompt in every tab', async () => {
    const hash = await given([START, progressTo(10), REQUIRE_OTP])
    const [one, other] = await twoTabs(hash)
    await Promise.all([one, other].map((page) => code(page).waitFor()))
    await typeCode(one)
    await Promise.all([one, other].map((page) => code(page).waitFor({ state: 'detached' })))
    expect(await readStatus(hash)).toBe('processing')
    await apply(hash, progressTo(80))
    await Promise.all([one, other].map((page) => shows(page, 80)))
  })

  it('a request cancelled in one tab is shown as cancelled in every tab', async () => {
    const hash = await given([START, progressTo(10)])
    const [one, other] = await twoTabs(hash)
    await one.getByRole('link', { name: t('progress.cancel') }).click()
    await one.getByRole('button', { name: t('cancel.confirm') }).click()
    await Promise.all([one, other].map((page) => heading(page, t('live.status.cancelled')).waitFor()))
  })

  it.each([
    ['en', 'en-GB'],
    ['fa', 'fa-IR'],
  ] as const)(
    'a request is cancelled by keyboard after a confirmation, which the keyboard can dismiss: %s',
    async (lang, locale) => {
      const { t } = createTexts(lang)
      const hash = await given([START, progressTo(10)])
      const page = await open({ locale })
      await watch(hash, page)
      const cancel = page.getByRole('link', { name: t('progress.cancel') })
      const keep = page.getByRole('button', { name: t('cancel.keep') })
      const hasDialog = (isOpen: boolean): Promise<void> =>
        page
          .getByRole('dialog', { name: t('cancel.title') })
          .waitFor({ state: isOpen ? 'visible' : 'hidden' })

      await tabTo(page, cancel)
      for (const dismissKey of ['Escape', 'Enter']) {
        await page.keyboard.press('Enter')
        await hasDialog(true)
        expect(await hasFocus(keep)).toBe(true)
        await page.keyboard.press(dismissKey)
        await hasDialog(false)
        expect(await hasFocus(cancel)).toBe(true)
      }
      expect(await readStatus(hash)).toBe('processing')
      await page.keyboard.press('Enter')
      await tabTo(page, page.getByRole('button', { name: t('cancel.confirm') }))
      await page.keyboard.press('Enter')
      await heading(page, t('live.status.cancelled')).waitFor()
    },
  )

  it('a page accepts the code in place, without a reload, and moves the focus to the new heading', async () => {
    const hash = await given([START, progressTo(10), REQUIRE_OTP])
    const page = await open()
    await watch(hash, page)
    await page.evaluate(() => Object.assign(globalThis, { isTheSame: true }))
    await code(page).fill('123')
    await page.keyboard.press('Enter')
    await page
      .getByRole('alert')
      .filter({ hasText: t('code.error.wrong_length', { length: 6, typed: 3 }) })
      .waitFor()
    expect(await hasFocus(code(page))).toBe(true)
    await typeCode(page)
    // The heading changes first; the focus follows with the page that is loaded.
    await eventually(async () =>
      expect(await hasFocus(heading(page, t('live.status.checking_code')))).toBe(true),
    )
    expect(await page.evaluate(() => 'isTheSame' in globalThis)).toBe(true)
    expect(await readStatus(hash)).toBe('processing')
  })

  it('a page shows that cancelling failed, and cancels on the next try', async () => {
    const hash = await given([START, progressTo(10)])
    const page = await open()
    // Shortens the ten seconds that the page waits for a response.
    await page.addInitScript(() => {
      const timeout = AbortSignal.timeout.bind(AbortSignal)
      AbortSignal.timeout = (ms) => timeout(ms / 20)
    })
    await watch(hash, page)
    // No response ever comes.
    await page.route(/\/cancel\//, () => {})
    await page.getByRole('link', { name: t('progress.cancel') }).click()
    const confirm = page.getByRole('button', { name: t('cancel.confirm') })
    await confirm.click()
    const words = `${t('cancel.failed')} ${t('live.announce.unanswered')}`
    const note = page.locator('dialog [role=alert]', { hasText: words })
    await note.waitFor()
    expect(await readStatus(hash)).toBe('processing')
    await page.unrouteAll({ behavior: 'ignoreErrors' })
    await confirm.click()
    await heading(page, t('live.status.cancelled')).waitFor()
  })

  it('the error of a code that was not sent while offline stays true when the connection is back', async () => {
    const hash = await given([START, REQUIRE_OTP])
    const page = await open()
    await watch(hash, page)
    await code(page).fill('123456')
    await page.context().setOffline(true)
    await page.getByRole('button', { name: t('code.submit') }).click()
    const error = page.locator('[data-live=answer] > [role=alert]')
    await error.waitFor()
    expect(await error.textContent()).toBe(t('code.failed'))
    await page.context().setOffline(false)
  })

  it('a page shows that a resend could not be sent', async () => {
    const hash = await given([START, REQUIRE_OTP])
    const page = await open()
    await page.clock.install()
    await watch(hash, page)
    await page.clock.fastForward(31_000)
    await page.route(/\/resend-otp\//, (route) => route.abort())
    await page.getByRole('button', { name: t('live.resend') }).click()
    await page.locator('form [role=alert]', { hasText: t('code.resend_failed') }).waitFor()
  })

  it('a page shows that a code could not be sent, and keeps it in the field', async () => {
    const hash = await given([START, REQUIRE_OTP])
    const page = await open()
    await watch(hash, page)
    await page.route(/\/otp\//, (route) => route.abort())
    await typeCode(page)
    await page
      .locator('form [role=alert]', { hasText: `${t('code.failed')} ${t('live.announce.lost')}` })
      .waitFor()
    expect(await code(page).inputValue()).toBe('123456')
    await page.unroute(/\/otp\//)
    await code(page).press('Enter')
    await heading(page, t('live.status.checking_code')).waitFor()
  })

  it('a page takes a code out of its SMS, and closes the field as soon as the code has expired', async () => {
    const hash = await given([START, REQUIRE_OTP])
    const page = await open()
    await page.addInitScript(offerCodeOfSms, '483920')
    await page.clock.install()
    await watch(hash, page)
    const over = page.getByRole('alert').filter({ hasText: t('live.code_over') })
    await expect.poll(() => code(page).inputValue()).toBe('483920')
    expect(await over.count()).toBe(0)
    expect(await live(page, 'code-left').textContent()).toBe(t('live.remaining.minutes', { minutes: 2 }))
    await code(page).focus()
    await page.clock.fastForward(600_000)
    await over.waitFor()
    const another = page.getByRole('button', { name: t('live.resend') })
    expect([await code(page).isDisabled(), await code(page).inputValue(), await hasFocus(another)]).toEqual([
      true,
      '483920',
      true,
    ])
    // The next one opens it again.
    await apply(hash, { type: 'require_otp', attempt: 1, otp: { id: 'otp-2', length: 6, expires_in: 900 } })
    await over.waitFor({ state: 'hidden' })
    expect([await code(page).isDisabled(), await code(page).inputValue()]).toEqual([false, '483920'])
  })

  it('a page moves the focus from an expired code to the heading while no other one can be requested yet', async () => {
    const otp = { id: 'otp-1', length: 6, expires_in: 10 }
    const hash = await given([START, { type: 'require_otp', attempt: 1, otp }])
    const page = await open()
    await page.clock.install()
    await watch(hash, page)
    await code(page).focus()
    await page.clock.fastForward(15_000)
    await page
      .getByRole('alert')
      .filter({ hasText: t('live.code_over') })
      .waitFor()
    expect(await page.getByRole('button', { name: t('live.resend') }).isDisabled()).toBe(true)
    expect(await hasFocus(page.locator('h1'))).toBe(true)
  })

  it('a page without its script offers to be checked again', async () => {
    const page = await open()
    await page.route('**/progress*.js', (route) => route.abort())
    await page.goto(progressUrl(await given([START]), address))
    const check = page.getByRole('link', { name: t('live.check') })
    expect(await check.isVisible()).toBe(false)
    await page.evaluate(() => {
      for (const animation of document.getAnimations()) animation.finish()
    })
    expect(await check.isVisible()).toBe(true)
  })

  it('a page continues its timeline with what arrives, and counts down between two attempts', async () => {
    const step = { ...progressTo(10, 'Signing in…'), step: 'first' } as const
    const hash = await given([START, step])
    const page = await open()
    await page.clock.install()
    await watch(hash, page)
    const texts = (): Promise<string[]> => page.locator('.timeline-text').allTextContents()
    expect(await texts()).toEqual([t('message.received')])
    await apply(hash, progressTo(20, 'Asking…'))
    await page.getByText(t('timeline.show')).click()
    await apply(hash, {
      type: 'retry',
      attempt: 1,
      nextRetryAt: Date.now() + 600_000,
      error: { code: 'bot_busy', message: 'x', retryable: true },
    })
    await page.locator('[data-live=bar][data-status=paused]').waitFor()
    expect(await live(page, 'age').textContent()).toMatch(/^Attempt 2 of 3 in \d+ minutes/)
    expect(await page.locator('[aria-current=step] .step-state').textContent()).toMatch(/^again in/)
    await apply(hash, { type: 'start', attempt: 2 })
    await expect
      .poll(async () => (await texts()).slice(1))
      .toEqual([
        'Asking',
        t('live.timeline.attempt_failed_because', { attempt: 1, reason: t('error.bot_busy') }),
        t('message.starting_over', { attempt: 2, max: 3 }),
      ])
    await page.clock.fastForward(300_000)
    await live(page, 'advice').waitFor()
    await page
      .locator('.advice')
      .getByRole('link', { name: t('progress.cancel') })
      .click()
    await page.getByRole('dialog', { name: t('cancel.title') }).waitFor()
  })

  it('an open dialog stays open when the page has to change', async () => {
    const hash = await given([START, progressTo(10)])
    const page = await open()
    await watch(hash, page)
    await page.getByRole('link', { name: t('progress.cancel') }).click()
    await apply(hash, REQUIRE_OTP)
    await page.waitForFunction((title) => document.title.startsWith(title), 'Code needed')
    await page.getByRole('button', { name: t('cancel.keep') }).click()
    await code(page).waitFor()
  })

  it('the icon of the tab shows the state of the request', async () => {
    const hash = await given([])
    const page = await open()
    await page.goto(progressUrl(hash, address))
    const shows = (name: string): Promise<void> =>
      page.locator(`link[rel=icon][href$="/${name}.svg"]`).waitFor({ state: 'attached' })
    await shows('icon-pending')
    for (const [change, icon] of [
      [START, 'icon-0'],
      [progressTo(47), 'icon-40'],
      [REQUIRE_OTP, 'icon-otp_required'],
      [COMPLETE, 'icon-completed'],
    ] as const) {
      await apply(hash, change)
      await shows(icon)
      const drawn = await page.request.get(`${address}/assets/${icon}.svg`)
      expect(drawn.headers()['content-type']).toMatch(/^image\/svg/)
    }
  })

  it('a page warns before its request is deleted', async () => {
    const hash = await given([START, COMPLETE])
    const page = await open()
    await page.clock.install()
    await page.goto(progressUrl(hash, address))
    const warning = page.locator('main').getByText(t('live.announce.expiring'))
    expect(await warning.isVisible()).toBe(false)
    await page.clock.fastForward((1800 - 100) * 1000)
    await warning.waitFor()
  })

  it('a page has no animation with prefers-reduced-motion', async () => {
    const hash = await given([START, progressTo(10)])
    const page = await open({ reducedMotion: 'reduce' })
    await watch(hash, page)
    await page.evaluate(countAnimations)
    await apply(hash, progressTo(60))
    await shows(page, 60)
    await page.evaluate(twoFrames)
    await apply(hash, REQUIRE_OTP)
    await code(page).waitFor()
    await page.evaluate(twoFrames)
    expect(await page.evaluate(() => document.documentElement.dataset.animations)).toBe('0')
  })

  it('a page shows a degraded server in the colours of a lost network', async () => {
    const page = await open()
    await watch(await given([START, progressTo(10)]), page)
    const noteStyle = (): Promise<string[]> => live(page, 'banner').evaluate(styleOf)
    await page.route(/\/status$/, (route) =>
      route.fulfill({ status: 503, json: { code: 'storage_unavailable' } }),
    )
    await isConnected(page, 'degraded')
    const degraded = await noteStyle()
    await page.context().setOffline(true)
    await isConnected(page, 'offline')
    expect(degraded).toEqual(await noteStyle())
  })

  it('a page announces steps to a screen reader at most every 15 seconds, and alarms once each time', async () => {
    const hash = await given([START, progressTo(5)], { ttlSeconds: 400 })
    const page = await open()
    // A fake clock, so that a minute passes in a moment.
    await page.clock.install()
    const pass = (seconds: number): Promise<void> => page.clock.runFor(seconds * 1000)
    await watch(hash, page)
    await page.evaluate(recordAnnouncements)

    for (const percent of [26, 51, 76]) {
      await apply(hash, progressTo(percent))
      await shows(page, percent)
    }
    await pass(16)
    await apply(hash, progressTo(77))
    await shows(page, 77)
    await pass(16)

    await apply(hash, REQUIRE_OTP)
    await code(page).waitFor()
    await pass(3)
    for (const change of [
      { type: 'submit_otp', otp: '483920' },
      REJECT,
      { type: 'submit_otp', otp: '483920' },
    ] as const) {
      await apply(hash, change)
      await code(page).waitFor({ state: change.type === 'reject_otp' ? 'visible' : 'detached' })
    }

    for (let times = 0; times < 2; times++) {
      await page.context().setOffline(true)
      await isConnected(page, 'offline')
      await pass(12)
      await pass(12)
      await page.context().setOffline(false)
      await isConnected(page, 'live')
    }
    // As after a sleep: less than two minutes are left.
    await page.clock.fastForward(240_000)
    await apply(hash, COMPLETE)
    await heading(page, t('result.title')).waitFor()

    const announced = await page.evaluate(
      () => (globalThis as unknown as { announced: Announcement[] }).announced,
    )
    const inRegion = (region: string) => announced.filter((one) => one.region === region)
    expect(inRegion('assertive').map(({ text }) => text)).toEqual([
      t('live.announce.code'),
      t('live.announce.code'),
      t('live.announce.lost'),
      t('live.announce.lost'),
      t('live.announce.expiring'),
    ])
    const polite = inRegion('polite')
    expect(polite.map(({ text }) => text)).toEqual([
      t('live.value', { percent: 26 }),
      t('live.value', { percent: 76 }),
      t('live.status.completed'),
    ])
    for (const [i, { at }] of polite.slice(1).entries())
      expect(at - polite[i]!.at).toBeGreaterThanOrEqual(15_000)
  })
})

// Concurrently, because they wait for polls.
describe.skipIf(isBrowserMissing).concurrent('a page without a socket', () => {
  afterAll(closeTabs)

  it('a page without a socket polls over HTTP/1.1, without an event stream, and gets to the result', async () => {
    const hash = await given([START, progressTo(10)])
    const page = await open()
    const traffic = recordTraffic(page)
    await page.routeWebSocket(/.*/, (socket) => socket.close())
    await page.goto(progressUrl(hash, address))
    await isConnected(page, 'polling')
    await apply(hash, REQUIRE_OTP)
    await typeCode(page)
    await eventually(async () => expect(await readStatus(hash)).toBe('processing'))
    await apply(hash, COMPLETE)
    await heading(page, t('result.title')).waitFor()
    expect([...traffic.addresses].filter((url) => url.endsWith('/events'))).toEqual([])
  })

  it('ten tabs without a socket follow their request, which one of them cancels', async () => {
    const hash = await given([START, progressTo(10)])
    const first = await open()
    const context = first.context()
    await context.routeWebSocket(/.*/, (socket) => socket.close())
    const tabs = [first, ...(await Promise.all(Array.from({ length: 9 }, () => context.newPage())))]
    await Promise.all(tabs.map((tab) => tab.goto(progressUrl(hash, address))))
    await Promise.all(tabs.map((tab) => isConnected(tab, 'polling')))
    await apply(hash, progressTo(40))
    await Promise.all(tabs.map((tab) => tab.waitForFunction(showsPercent, '40%')))
    const last = tabs.at(-1) as Page
    await last.getByRole('link', { name: t('progress.cancel') }).click()
    await last.getByRole('button', { name: t('cancel.confirm') }).click()
    await heading(last, t('live.status.cancelled')).waitFor()
    await Promise.all(tabs.map((tab) => heading(tab, t('live.status.cancelled')).waitFor()))
  })
})

/** Colour and weight of the text, and the colour of the dot before it. */
function styleOf(note: Element): string[] {
  const { color, fontWeight } = getComputedStyle(note)
  return [color, fontWeight, getComputedStyle(note, '::before').backgroundColor]
}

/** Two tabs of one browser. */
async function twoTabs(hash: string): Promise<[Page, Page]> {
  const one = await open()
  const other = await one.context().newPage()
  await watch(hash, one)
  await watch(hash, other)
  return [one, other]
}

interface Announcement {
  region: string
  text: string
  /** By the clock of the page. */
  at: number
}

// What follows runs in the page.

const showsPercent = (percent: string): boolean =>
  document.querySelector('[data-live=percent]')?.textContent === percent

/** Records the text of the queue position, from the load of the page on. */
function recordPlaces(): void {
  const places: string[] = []
  Object.assign(globalThis, { places })
  const record = (): void => {
    const element = document.querySelector<HTMLElement>('[data-live=message]')
    const text = element && (element.hidden ? 'nothing' : (element.textContent ?? ''))
    if (text && places.at(-1) !== text) places.push(text)
  }
  addEventListener('DOMContentLoaded', record)
  new MutationObserver(record).observe(document, { subtree: true, childList: true, attributes: true })
}

/** Records the maximum of running animations in any frame. */
function countAnimations(): void {
  const { dataset } = document.documentElement
  const count = (): void => {
    const running = document.getAnimations().filter(({ playState }) => playState === 'running')
    dataset.animations = String(Math.max(Number(dataset.animations ?? 0), running.length))
    requestAnimationFrame(count)
  }
  count()
}

const twoFrames = (): Promise<unknown> =>
  new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)))

function recordAnnouncements(): void {
  const announced: Announcement[] = []
  Object.assign(globalThis, { announced })
  for (const region of ['polite', 'assertive']) {
    const element = document.getElementById(region) as HTMLElement
    new MutationObserver(() => {
      if (element.textContent) announced.push({ region, text: element.textContent, at: Date.now() })
    }).observe(element, { childList: true, characterData: true, subtree: true })
  }
}

/** As a browser with WebOTP does when an SMS arrives and the person agrees. */
function offerCodeOfSms(code: string): void {
  const credentials = { get: async () => ({ code }) }
  Object.assign(globalThis, { OTPCredential: class {} })
  Object.defineProperty(navigator, 'credentials', { value: credentials })
}
