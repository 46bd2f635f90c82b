/** A request page while its request moves on: what script adds in a real browser, and what remains when it is hindered. */
import type { Page } from 'playwright-core'
import { afterAll, afterEach, describe, expect, inject, it } from 'vitest'
import type { PublicView } from '../../core/domain/record.ts'
import { createTexts } from '../../core/i18n/index.ts'
import { freePort } from '../../core/redis/local-server.ts'
import { recordTraffic, useBrowser } from '../helpers/browser.ts'
import { type Child, startChild } from '../helpers/child.ts'
import { isChromiumMissing } from '../helpers/chromium.ts'
import { eventually } from '../helpers/eventually.ts'
import { hasFocus, tabTo } from '../helpers/keyboard.ts'
import { progressTo, REQUIRE_OTP, START } from '../helpers/record.ts'
import { useRedis } from '../helpers/redis.ts'
import {
  code,
  heading,
  isConnected,
  live,
  progressOf,
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

const statusOf = async (hash: string): Promise<string | undefined> => (await store.read(hash))?.record.status

describe.skipIf(isChromiumMissing)('a page of a running request', () => {
  afterEach(closeTabs)

  it('shows its place in the queue from the first moment on, and each new one', async () => {
    const submit = async (): Promise<PublicView> =>
      (await api.post('/api/local-requests').send(CREDIT_SCORE).expect(202)).body
    const [before, own] = [await submit(), await submit()]
    const page = await open()
    await page.addInitScript(writeDownPlaces)
    await watch(own.hash, page)
    await api.post(`/api/local-requests/${before.hash}/cancel`).expect(200)
    const moved = t('live.queue', { place: 1 })
    await live(page, 'queue').filter({ hasText: moved }).waitFor()
    const shown = await page.evaluate(() => (globalThis as unknown as { places: string[] }).places)
    expect(shown).toEqual([t('live.queue', { place: 2 }), moved])
  })

  it('says so when the server is killed, keeps what it knew, and comes back by itself', async () => {
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
    first.process.kill('SIGKILL')
    await first.ended
    await isConnected(page, 'reconnecting')
    await apply(hash, progressTo(60))
    expect(await live(page, 'percent').textContent()).toBe('30%')
    expect(await live(page, 'connection').textContent()).toBe(t('live.connection.reconnecting'))
    await start()
    await isConnected(page, 'live')
    await shows(page, 60)
    await apply(hash, COMPLETE)
    await heading(page, t('result.title')).waitFor()
  })

  it('closes the prompt in every tab once the code was typed in one', async () => {
    const hash = await given([START, progressTo(10), REQUIRE_OTP])
    const [one, other] = await twoTabs(hash)
    await Promise.all([one, other].map((page) => code(page).waitFor()))
    await typeCode(one)
    await Promise.all([one, other].map((page) => code(page).waitFor({ state: 'detached' })))
    expect(await statusOf(hash)).toBe('processing')
    await apply(hash, progressTo(80))
    await Promise.all([one, other].map((page) => shows(page, 80)))
  })

  it('ends in every tab once it was cancelled in one', async () => {
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
    'is cancelled by keyboard, after a question that is as easily taken back: %s',
    async (lang, locale) => {
      const { t } = createTexts(lang)
      const hash = await given([START, progressTo(10)])
      const page = await open({ locale })
      await watch(hash, page)
      const cancel = page.getByRole('link', { name: t('progress.cancel') })
      const keep = page.getByRole('button', { name: t('cancel.keep') })
      const isAsked = (asked: boolean): Promise<void> =>
        page.getByRole('dialog', { name: t('cancel.title') }).waitFor({ state: asked ? 'visible' : 'hidden' })

      await tabTo(page, cancel)
      for (const takeBack of ['Escape', 'Enter']) {
        await page.keyboard.press('Enter')
        await isAsked(true)
        expect(await hasFocus(keep)).toBe(true)
        await page.keyboard.press(takeBack)
        await isAsked(false)
        expect(await hasFocus(cancel)).toBe(true)
      }
      expect(await statusOf(hash)).toBe('processing')
      await page.keyboard.press('Enter')
      await tabTo(page, page.getByRole('button', { name: t('cancel.confirm') }))
      await page.keyboard.press('Enter')
      await heading(page, t('live.status.cancelled')).waitFor()
    },
  )

  it('takes the code in place: nothing is loaded anew, and the focus goes on', async () => {
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
    await heading(page, t('live.status.processing')).waitFor()
    expect(await hasFocus(heading(page, t('live.status.processing')))).toBe(true)
    expect(await page.evaluate(() => 'isTheSame' in globalThis)).toBe(true)
    expect(await statusOf(hash)).toBe('processing')
  })

  it('says where a request could not be cancelled that it was not, and cancels it on the next try', async () => {
    const hash = await given([START, progressTo(10)])
    const page = await open()
    // The ten seconds that the page waits for an answer pass sooner.
    await page.addInitScript(() => {
      const timeout = AbortSignal.timeout.bind(AbortSignal)
      AbortSignal.timeout = (ms) => timeout(ms / 20)
    })
    await watch(hash, page)
    // Whatever is sent, nothing comes back.
    await page.route(/\/cancel\//, () => {})
    await page.getByRole('link', { name: t('progress.cancel') }).click()
    const confirm = page.getByRole('button', { name: t('cancel.confirm') })
    await confirm.click()
    const words = `${t('cancel.failed')} ${t('live.announce.unanswered')}`
    const note = page.locator('dialog [role=alert]', { hasText: words })
    await note.waitFor()
    expect(await statusOf(hash)).toBe('processing')
    await page.unrouteAll({ behavior: 'ignoreErrors' })
    await confirm.click()
    await heading(page, t('live.status.cancelled')).waitFor()
  })

  it('says that no other code was asked for when that could not be sent', async () => {
    const hash = await given([START, REQUIRE_OTP])
    const page = await open()
    await page.clock.install()
    await watch(hash, page)
    await page.clock.fastForward(31_000)
    await page.route(/\/resend-otp\//, (route) => route.abort())
    await page.getByRole('button', { name: t('live.resend') }).click()
    await page.locator('form [role=alert]', { hasText: t('code.resend_failed') }).waitFor()
  })

  it('says where a code could not be sent, and keeps it', async () => {
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
    await heading(page, t('live.status.processing')).waitFor()
  })

  it('says that the time for a code is over as soon as it is', async () => {
    const hash = await given([START, REQUIRE_OTP])
    const page = await open()
    await page.clock.install()
    await watch(hash, page)
    const over = page.getByRole('alert').filter({ hasText: t('live.code_over') })
    await code(page).waitFor()
    expect(await over.count()).toBe(0)
    await page.clock.fastForward(600_000)
    await over.waitFor()
  })

  it('asks its question to the end before it changes', async () => {
    const hash = await given([START, progressTo(10)])
    const page = await open()
    await watch(hash, page)
    await page.getByRole('link', { name: t('progress.cancel') }).click()
    await apply(hash, REQUIRE_OTP)
    await page.waitForFunction((title) => document.title.startsWith(title), 'Code needed')
    await page.getByRole('button', { name: t('cancel.keep') }).click()
    await code(page).waitFor()
  })

  it('tells its state in the icon of its tab', async () => {
    const hash = await given([])
    const page = await open()
    await page.goto(progressOf(hash, address))
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

  it('warns before it is deleted', async () => {
    const hash = await given([START, COMPLETE])
    const page = await open()
    await page.clock.install()
    await page.goto(progressOf(hash, address))
    const warning = page.locator('main').getByText(t('live.announce.expiring'))
    expect(await warning.isVisible()).toBe(false)
    await page.clock.fastForward((1800 - 100) * 1000)
    await warning.waitFor()
  })

  it('moves nothing about for who asked for less motion', async () => {
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

  it('warns of a server that cannot see its storage as it warns of no network', async () => {
    const page = await open()
    await watch(await given([START, progressTo(10)]), page)
    const look = (): Promise<string[]> => live(page, 'connection').evaluate(looksOf)
    await page.route(/\/status$/, (route) =>
      route.fulfill({ status: 503, json: { code: 'storage_unavailable' } }),
    )
    await isConnected(page, 'degraded')
    const degraded = await look()
    await page.context().setOffline(true)
    await isConnected(page, 'offline')
    expect(degraded).toEqual(await look())
  })

  it('tells a screen reader of steps at most every 15 seconds, and of what matters once each time', async () => {
    const hash = await given([START, progressTo(5)], { ttlSeconds: 400 })
    const page = await open()
    // The page's own time, of which a minute passes in a moment.
    await page.clock.install()
    const pass = (seconds: number): Promise<void> => page.clock.runFor(seconds * 1000)
    await watch(hash, page)
    await page.evaluate(writeDownWhatIsSaid)

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
    // As after a sleep: less than two minutes are left to it.
    await page.clock.fastForward(240_000)
    await apply(hash, COMPLETE)
    await heading(page, t('result.title')).waitFor()

    const said = await page.evaluate(() => (globalThis as unknown as { said: Said[] }).said)
    const inRegion = (region: string) => said.filter((one) => one.region === region)
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

// At the same time: they wait for polls.
describe.skipIf(isChromiumMissing).concurrent('a page without a socket', () => {
  afterAll(closeTabs)

  it('polls, opens no event stream over HTTP/1.1, and gets to the result', async () => {
    const hash = await given([START, progressTo(10)])
    const page = await open()
    const asked = recordTraffic(page)
    await page.routeWebSocket(/.*/, (socket) => socket.close())
    await page.goto(progressOf(hash, address))
    await isConnected(page, 'polling')
    await apply(hash, REQUIRE_OTP)
    await typeCode(page)
    await eventually(async () => expect(await statusOf(hash)).toBe('processing'))
    await apply(hash, COMPLETE)
    await heading(page, t('result.title')).waitFor()
    expect([...asked.addresses].filter((url) => url.endsWith('/events'))).toEqual([])
  })

  it('follows its request in each of ten tabs, and is cancelled from one of them', async () => {
    const hash = await given([START, progressTo(10)])
    const first = await open()
    const context = first.context()
    await context.routeWebSocket(/.*/, (socket) => socket.close())
    const tabs = [first, ...(await Promise.all(Array.from({ length: 9 }, () => context.newPage())))]
    await Promise.all(tabs.map((tab) => tab.goto(progressOf(hash, address))))
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

/** Colour and weight of the words, and the colour of the dot before them. */
function looksOf(words: Element): string[] {
  const { color, fontWeight } = getComputedStyle(words)
  return [color, fontWeight, getComputedStyle(words, '::before').backgroundColor]
}

/** Two tabs of one browser. */
async function twoTabs(hash: string): Promise<[Page, Page]> {
  const one = await open()
  const other = await one.context().newPage()
  await watch(hash, one)
  await watch(hash, other)
  return [one, other]
}

interface Said {
  region: string
  text: string
  /** By the clock of the page. */
  at: number
}

// What follows runs in the page.

const showsPercent = (percent: string): boolean =>
  document.querySelector('[data-live=percent]')?.textContent === percent

/** What stands where the place in the queue is told, from when the page is there. */
function writeDownPlaces(): void {
  const places: string[] = []
  Object.assign(globalThis, { places })
  const look = (): void => {
    const element = document.querySelector<HTMLElement>('[data-live=queue]')
    const text = element && (element.hidden ? 'nothing' : (element.textContent ?? ''))
    if (text && places.at(-1) !== text) places.push(text)
  }
  addEventListener('DOMContentLoaded', look)
  new MutationObserver(look).observe(document, { subtree: true, childList: true, attributes: true })
}

/** The most that were running in any frame. */
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

function writeDownWhatIsSaid(): void {
  const said: Said[] = []
  Object.assign(globalThis, { said })
  for (const region of ['polite', 'assertive']) {
    const element = document.getElementById(region) as HTMLElement
    new MutationObserver(() => {
      if (element.textContent) said.push({ region, text: element.textContent, at: Date.now() })
    }).observe(element, { childList: true, characterData: true, subtree: true })
  }
}
