/** Every page in every state, from real records, in a real browser. */
import type { Locator, Page } from 'playwright-core'
import { beforeAll, describe, expect, inject, test } from 'vitest'
import { textIn } from '../../core/catalog/text.ts'
import type { Command } from '../../core/domain/command.ts'
import type { TextKey } from '../../core/i18n/en.ts'
import type { Translate } from '../../core/i18n/formatter.ts'
import { createTexts, type Locale } from '../../core/i18n/index.ts'
import {
  accessibilityViolations,
  type PageTraffic,
  recordTraffic,
  requestedHosts,
  useBrowser,
} from '../helpers/browser.ts'
import { inFirefox, isBrowserMissing } from '../helpers/browsers.ts'
import { aHash, progressTo, REQUIRE_OTP, START, TTL_SECONDS } from '../helpers/record.ts'
import { useRedis } from '../helpers/redis.ts'
import { CREDIT_SCORE, useServer } from '../helpers/server.ts'
import { creditScoreRating, threeProviderInquiry } from '../helpers/services.ts'
import { at as pageAt } from '../server/page-browser.ts'

const redis = await useRedis()
const server = await useServer(redis, { assets: inject('assets'), settings: { SUBMITS_PER_MINUTE: '1' } })
const { open } = useBrowser()

const FORM = `/services/${creditScoreRating.slug}`
const at = (page: string, hash: string): string => pageAt(page, hash, creditScoreRating.slug)
const given = (...changes: Command[]): Promise<string> =>
  server.given(changes, { service: creditScoreRating })
const RUNNING: Command[] = [
  START,
  { ...progressTo(42, 'Solving the captcha…'), step: 'captcha_solving' } as Command,
]
const PARTS: Command[] = [
  START,
  {
    ...progressTo(42, 'Asking…'),
    step: 'asking',
    parts: [
      { id: 'swift', state: 'done', outcome: 'failed' },
      { id: 'steady', state: 'current', progress: 40 },
    ],
  } as Command,
]
const RETRY: Command = {
  type: 'retry',
  attempt: 1,
  nextRetryAt: Date.now() + 600_000,
  error: { code: 'bot_unavailable', message: 'The portal does not answer.', retryable: true },
}
const REJECTED: Command[] = [
  { type: 'submit_otp', otp: '483920' },
  { type: 'reject_otp', attempt: 1 },
]
const complete = (result: unknown): Command => ({ type: 'complete', attempt: 1, result })
const FAIL: Command = {
  type: 'fail',
  attempt: 1,
  error: { code: 'portal_down', message: 'ECONNREFUSED 10.0.0.1', retryable: true },
}
const LINES = [
  { date: '2026-05-01', amount: -1_200_000, balance: 8_400_000, description: 'خرید از فروشگاه' },
  { date: '2026-05-02', amount: 9_000_000, balance: 17_400_000, description: 'Salary of the month of May' },
]

interface State {
  name: string
  /** Of the page; created once for all visitors. */
  path(): string | Promise<string>
  status?: number
  /** The start of the title. */
  title(t: Translate<TextKey>, locale: Locale): string
  /** The user's action that leads to the state. */
  act?(page: Page): Promise<unknown>
}

const running = (key: TextKey) => (t: Translate<TextKey>, locale: Locale) =>
  t(key, { title: textIn(creditScoreRating.title, locale), percent: t('live.percent', { value: 0.42 }) })
const plain = (key: TextKey) => (t: Translate<TextKey>) => t(key)

const STATES: State[] = [
  { name: 'the services', path: () => '/', title: plain('services.title') },
  { name: 'the form', path: () => FORM, title: (_t, locale) => textIn(creditScoreRating.title, locale) },
  {
    name: 'the form with mistakes',
    path: () => FORM,
    status: 422,
    title: (t, locale) => t('form.error_title', { title: textIn(creditScoreRating.title, locale) }),
    async act(page) {
      await page.fill('[name=mobile]', '0912')
      await submit(page)
    },
  },
  {
    name: 'too many submits',
    path: () => FORM,
    status: 429,
    title: (t, locale) => t('form.error_title', { title: textIn(creditScoreRating.title, locale) }),
    async act(page) {
      await submit(page)
      await page.goto(server.address + FORM)
      await submit(page)
    },
  },
  {
    name: 'a queued request',
    path: async () => {
      const { body } = await server.api.post('/api/local-requests').send(CREDIT_SCORE).expect(202)
      return body.progress_url
    },
    title: running('live.title.pending'),
  },
  {
    name: 'a scheduled request',
    path: async () =>
      at(
        'progress',
        await server.given([], { service: creditScoreRating, run_at: '2099-01-01T00:00:00.000Z' }),
      ),
    title: running('live.title.pending'),
  },
  {
    name: 'a running request',
    path: async () => at('progress', await given(...RUNNING)),
    title: running('live.title.running'),
  },
  {
    name: 'a request with concurrent substeps',
    path: async () =>
      pageAt(
        'progress',
        await server.given(PARTS, { service: threeProviderInquiry }),
        threeProviderInquiry.slug,
      ),
    title: (t, locale) =>
      t('live.title.running', {
        title: textIn(threeProviderInquiry.title, locale),
        percent: t('live.percent', { value: 0.42 }),
      }),
  },
  {
    name: 'a request between two attempts',
    path: async () => at('progress', await given(...RUNNING, RETRY)),
    title: running('live.title.running'),
  },
  {
    name: 'a request with the dialog to cancel it',
    path: async () => at('progress', await given(...RUNNING)),
    title: running('live.title.running'),
    act: (page) => page.click('.actions [data-opens]'),
  },
  {
    name: 'the cancel page',
    path: async () => at('cancel', await given(...RUNNING)),
    title: plain('cancel.title'),
  },
  {
    name: 'a request for a code',
    path: async () => at('progress', await given(...RUNNING, REQUIRE_OTP)),
    title: running('live.title.otp_required'),
  },
  {
    name: 'a request for a code after a wrong one',
    path: async () => at('otp', await given(...RUNNING, REQUIRE_OTP, ...REJECTED)),
    title: running('live.title.otp_required'),
  },
  {
    name: 'a result with a table',
    path: async () =>
      at('result', await given(...RUNNING, complete({ account: '1234567890', lines: LINES }))),
    title: running('live.title.completed'),
  },
  {
    name: 'a result of many levels',
    path: async () =>
      at(
        'result',
        await given(...RUNNING, complete({ person: { loans: [{ bank: { name: 'ملی' } }, 'x'] } })),
      ),
    title: running('live.title.completed'),
  },
  {
    name: 'a failed request with its details',
    path: async () => at('result', await given(...RUNNING, FAIL)),
    title: running('live.title.failed'),
    act: (page) => page.click('summary'),
  },
  {
    name: 'a cancelled request',
    path: async () => at('result', await given(...RUNNING, { type: 'cancel', by: 'user' })),
    title: running('live.title.cancelled'),
  },
  {
    name: 'a deleted request',
    path: () => at('progress', aHash(Date.now() - TTL_SECONDS * 1000)),
    status: 410,
    title: plain('error.request_expired'),
  },
  {
    name: 'an unknown request',
    path: () => at('progress', aHash()),
    status: 404,
    title: plain('error.request_not_found'),
  },
  {
    name: 'a server without Redis',
    path: async () => {
      const path = at('progress', await given(...RUNNING))
      await redis.stop()
      return path
    },
    status: 503,
    title: plain('error.storage_unavailable'),
  },
]

const NARROW = { width: 320, height: 640 }
const WIDE = { width: 1280, height: 800 }
/** Together they cover both languages, colour schemes and sizes of screen. */
const VIEWERS = [
  { locale: 'en', browserLocale: 'en-GB', scheme: 'light', otherScheme: 'dark', viewport: NARROW },
  { locale: 'fa', browserLocale: 'fa-IR', scheme: 'dark', otherScheme: 'light', viewport: WIDE },
] as const

interface Visitor {
  viewer: (typeof VIEWERS)[number]
  page: Page
  traffic: PageTraffic
}

describe.skipIf(isBrowserMissing)('a request page', () => {
  // Drivers cannot read the accessibility tree of Firefox.
  test.skipIf(inFirefox)('a screen reader gets progress, current step and the error of a code', async () => {
    const { t } = createTexts('en')
    const page = await open()
    await page.goto(server.address + at('otp', await given(...RUNNING, REQUIRE_OTP, ...REJECTED)))
    const bar = page.getByRole('progressbar', { name: t('progress.bar'), exact: true })
    expect(await accessibleNode(bar)).toMatchObject({ value: 42 })
    expect(await bar.getAttribute('aria-valuetext')).toBe('42 percent, step 2 of 6: Solve the captcha')
    const steps = page.getByRole('list').filter({ has: page.locator('[aria-current=step]') })
    expect(await steps.getByRole('listitem').count()).toBe(creditScoreRating.steps.length)
    expect(await steps.locator('[aria-current=step]').allInnerTexts()).toEqual([
      expect.stringMatching(/^Solve the captcha\s+your turn$/),
    ])
    expect(
      await accessibleNode(page.getByRole('textbox', { name: t('code.label'), exact: true })),
    ).toMatchObject({
      description: expect.stringMatching(/^That code was not right\. 2 tries are left\..*6 digits/),
      invalid: 'true',
    })
  })

  test('the progress bar is visible in forced colours', async () => {
    const page = await open({ forcedColors: 'active' })
    const barAt = async (percent: number): Promise<Buffer> => {
      await page.goto(server.address + at('progress', await given(START, progressTo(percent))))
      return page.getByRole('progressbar').screenshot({ animations: 'disabled' })
    }
    const short = await barAt(10)
    expect(short.equals(await barAt(10))).toBe(true)
    expect(short.equals(await barAt(60))).toBe(false)
  })
})

/** The node of an element in Chromium's accessibility tree. */
async function accessibleNode(target: Locator): Promise<Record<string, unknown>> {
  const devtools = await target.page().context().newCDPSession(target.page())
  await target.evaluate((element) => Object.assign(globalThis, { inspected: element }))
  const { result } = await devtools.send('Runtime.evaluate', { expression: 'inspected' })
  const { nodes } = await devtools.send('Accessibility.getPartialAXTree', {
    objectId: result.objectId,
    fetchRelatives: false,
  })
  const { value, description, properties = [] } = nodes[0]!
  const more = properties.map((property) => [property.name, property.value.value])
  return { value: value?.value, description: description?.value, ...Object.fromEntries(more) }
}

describe.skipIf(isBrowserMissing)(
  'every page is accessible, fits the screen and loads nothing from elsewhere',
  () => {
    let visitors: Visitor[]
    beforeAll(async () => {
      visitors = await Promise.all(VIEWERS.map(openVisitor))
    })
    test.each(STATES)('the page is accessible and fits the screen: $name', async (state) => {
      const path = await state.path()
      await Promise.all(visitors.map((visitor) => visit(state, path, visitor)))
    })
  },
)

async function openVisitor(viewer: (typeof VIEWERS)[number], i: number): Promise<Visitor> {
  const page = await open({
    locale: viewer.browserLocale,
    // Submits are counted by address.
    extraHTTPHeaders: { 'X-Forwarded-For': `192.0.2.${i}` },
  })
  return { viewer, page, traffic: recordTraffic(page) }
}

async function visit(state: State, path: string, { viewer, page, traffic }: Visitor): Promise<void> {
  const { locale, scheme, otherScheme, viewport } = viewer
  await page.emulateMedia({ colorScheme: scheme })
  await page.setViewportSize(viewport)
  await page.goto(server.address + path)
  await state.act?.(page)

  const { t, dir } = createTexts(locale)
  expect(traffic.status, locale).toBe(state.status ?? 200)
  expect(await page.title()).toBe(`${state.title(t, locale)} · ${t('site.name')}`)
  expect(await page.locator('html').getAttribute('lang')).toBe(locale)
  expect(await page.locator('html').getAttribute('dir')).toBe(dir)
  expect(traffic.errors.splice(0), locale).toEqual([])
  expect(requestedHosts(traffic), locale).toEqual([new URL(server.address).host])

  expect(await page.evaluate(shownAgainstTheirAttribute), locale).toEqual([])
  expect(await accessibilityViolations(page), `${locale}, ${scheme}`).toEqual([])
  await page.emulateMedia({ colorScheme: otherScheme })
  expect(await accessibilityViolations(page, ['color-contrast']), `${locale}, ${otherScheme}`).toEqual([])
  await page.setViewportSize(NARROW)
  expect(await page.evaluate(widthOfContent), `${locale}, pixels`).toBeLessThanOrEqual(NARROW.width)
}

const shownAgainstTheirAttribute = (): string[] =>
  [...document.querySelectorAll('[hidden]')]
    .filter((element) => element.getClientRects().length > 0)
    .map((element) => element.outerHTML)

const widthOfContent = (): number => document.scrollingElement?.scrollWidth ?? Number.NaN

async function submit(page: Page): Promise<void> {
  await Promise.all([page.waitForEvent('load'), page.click('main form [type=submit]')])
}
