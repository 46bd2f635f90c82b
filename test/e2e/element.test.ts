/** `<halfway-progress>` in a real browser, on the page of another site, in front of a server with a real Redis. */
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import type { BrowserContextOptions, Locator, Page, Request } from 'playwright-core'
import { afterAll, afterEach, describe, expect, inject, it } from 'vitest'
import { createCatalog } from '../../core/catalog/catalog.ts'
import { accessibilityViolations, recordTraffic, useBrowser } from '../helpers/browser.ts'
import { inFirefox, isBrowserMissing } from '../helpers/browsers.ts'
import { eventually } from '../helpers/eventually.ts'
import { aHash, progressTo, REQUIRE_OTP, START } from '../helpers/record.ts'
import { useRedis } from '../helpers/redis.ts'
import { CREDIT_SCORE, useServer } from '../helpers/server.ts'
import { creditScoreRating } from '../helpers/services.ts'
import { PNG } from '../helpers/typed-result.ts'

const COMPLETE = { type: 'complete', attempt: 1, result: { score: 712 } } as const
const DEMO = readFileSync(new URL('../../docs/embed.html', import.meta.url))
const EVENTS = ['progress', 'otp-required', 'completed', 'failed', 'cancelled', 'expired']

/** Another site, which serves the HTML and the policy that a test sets. */
let html: Buffer | string = ''
let policy = ''
const assets = inject('assets')
const site = createServer((req, res) => {
  if (req.url === '/assets/axe.js') return void res.end(readFileSync(join(assets, 'axe.js')))
  if (policy) res.setHeader('Content-Security-Policy', policy)
  res.setHeader('Content-Type', 'text/html; charset=utf-8').end(html)
})
const siteAddress = await new Promise<string>((resolve) => {
  site.listen(0, '127.0.0.1', () => resolve(`http://127.0.0.1:${(site.address() as AddressInfo).port}`))
})
afterAll(() => void site.close())

const redis = await useRedis()
const settings = { ALLOWED_ORIGINS: siteAddress }
const server = await useServer(redis, { assets, settings })
const withPhoto = {
  ...creditScoreRating,
  result: { fields: [{ name: 'photo', type: 'image' as const, label: 'Photo' }] },
}
const guarded = await useServer(redis, {
  assets,
  settings: { ...settings, OWNER_CHECK: 'all', SITE_COLOR: '#0a5fb4' },
  services: createCatalog([withPhoto]),
})
const { given, apply } = server

const bodyWith = (elements: string, { address = server.address, head = '', lang = 'en' } = {}): string => `
  <!doctype html><html lang="${lang}"><head><title>A shop</title>${head}
  <script type="module" src="${address}/assets/halfway-progress.js"></script></head>
  <body><main><h1>A shop</h1><label>Its own field <input id="own"></label>${elements}</main></body></html>`
/** As docs/EMBED.md gives it. */
const strictPolicy = (address: string): string => {
  const { origin, host } = new URL(address)
  return `default-src 'none'; script-src ${origin}; style-src ${origin}; font-src ${origin}; connect-src ${origin} ws://${host}; img-src blob:`
}
const element = (hash: string, more = ''): string =>
  `<halfway-progress hash="${hash}"${more}><p>Not yet.</p></halfway-progress>`

describe.skipIf(isBrowserMissing)('the element on another site', () => {
  const browser = useBrowser()
  afterEach(async () => {
    policy = ''
    await browser.closeTabs()
  })

  /** Opens the other site, whose own script records the events of the element. */
  async function open(content: string | Buffer, options: BrowserContextOptions = {}): Promise<Page> {
    html = content
    const page = await browser.open(options)
    await page.addInitScript((names) => {
      const events: unknown[] = []
      Object.assign(window, { events })
      for (const name of names) {
        document.addEventListener(name, (event) => events.push([name, (event as CustomEvent).detail]))
      }
    }, EVENTS)
    await page.goto(siteAddress)
    return page
  }
  type Detail = Record<string, unknown>
  const receivedEvents = (page: Page) =>
    page.evaluate(() => (window as unknown as { events: [string, Detail][] }).events)
  const eventNames = async (page: Page) => (await receivedEvents(page)).map(([name]) => name)
  const isLive = (page: Page | Locator) => page.locator('[data-live=connection][data-state=live]').waitFor()
  const heading = (page: Page | Locator, name: string) => page.getByRole('heading', { name }).waitFor()
  const focused = (page: Page) =>
    page.evaluate(() => (document.activeElement?.shadowRoot?.activeElement ?? document.activeElement)?.id)

  async function typeCode(page: Page, code: string): Promise<void> {
    await page.fill('#otp', code)
    await page.press('#otp', 'Enter')
  }

  it('the element is live, accepts the code in place, shows the result, and emits each event once, in order', async () => {
    const hash = await given([START])
    const page = await open(bodyWith(element(hash)))
    const traffic = recordTraffic(page)
    await isLive(page)
    await apply(hash, progressTo(40, 'Signing in'))
    await page.locator('[data-live=message]', { hasText: 'Signing in' }).waitFor()
    await apply(hash, REQUIRE_OTP)
    await typeCode(page, '۱۲۳۴۵۶')
    await heading(page, 'Checking your code')
    expect(page.url()).toBe(`${siteAddress}/`)
    await apply(hash, COMPLETE)
    await heading(page, 'Your result is ready')
    expect(await page.locator('.facts').first().textContent()).toMatch(/Score\s*712/i)

    const all = await receivedEvents(page)
    expect(all.map(([name, { status }]) => `${name} ${status}`)).toEqual([
      'progress processing',
      'progress processing',
      'progress otp_required',
      'otp-required otp_required',
      'progress processing',
      'progress completed',
      'completed completed',
    ])
    expect(all.at(-1)?.[1]).toMatchObject({ hash, progress: 100, result_data: { score: 712 } })
    expect(all.at(-1)?.[1]).not.toHaveProperty('request_data')
    const view = await page.evaluate(
      () => (document.querySelector('halfway-progress') as unknown as { view: Detail }).view,
    )
    expect(view).toEqual(all.at(-1)?.[1])
    expect(traffic.errors).toEqual([])
  })

  it('the element emits the result of a request that was completed when it loaded', async () => {
    const page = await open(bodyWith(element(await given([START, COMPLETE]))))
    await heading(page, 'Your result is ready')
    await eventually(async () => expect(await eventNames(page)).toEqual(['progress', 'completed']))
    expect((await receivedEvents(page)).at(-1)?.[1].result_data).toEqual({ score: 712 })
  })

  it('the element takes no focus from the host page, and keeps it in its own field', async () => {
    const hash = await given([START])
    const page = await open(bodyWith(element(hash)))
    await isLive(page)
    await page.focus('#own')
    await apply(hash, REQUIRE_OTP)
    await page.locator('#otp').waitFor()
    expect(await focused(page)).toBe('own')
    expect(await page.locator('.embedded > [role=alert]').textContent()).toContain('code is needed')

    await typeCode(page, '12')
    await page.getByText('The code has 6 digits').waitFor()
    expect(await focused(page)).toBe('otp')
  })

  it('the element shows that a form was not accepted, keeps the typed code, and sends it once the server is back', async () => {
    const hash = await given([START, REQUIRE_OTP])
    const page = await open(bodyWith(element(hash)))
    await isLive(page)
    await page.route(/\/otp\//, (route) => route.abort())
    await typeCode(page, '123456')
    await page.locator('form > [role=alert]', { hasText: 'connection' }).waitFor()
    expect(await page.inputValue('#otp')).toBe('123456')
    await page.unroute(/\/otp\//)
    await page.press('#otp', 'Enter')
    await heading(page, 'Checking your code')
  })

  it('the element asks for confirmation before it cancels', async () => {
    const hash = await given([START])
    const page = await open(bodyWith(element(hash)))
    await isLive(page)
    await page.getByRole('link', { name: 'Cancel the request' }).click()
    await page.getByRole('button', { name: 'No, keep going' }).click()
    await page.getByRole('link', { name: 'Cancel the request' }).click()
    await page.getByRole('button', { name: 'Yes, cancel it' }).click()
    await heading(page, 'Cancelled')
    expect((await eventNames(page)).slice(-2)).toEqual(['progress', 'cancelled'])
  })

  it.each([
    ['unknown', () => aHash(), 404, 'There is no such request'],
    ['expired', () => aHash(Date.now() - 3600_000), 410, 'This request has been deleted'],
  ])('the element shows that a request is %s, and emits it', async (_name, createHash, status, words) => {
    const hash = createHash()
    const page = await open(bodyWith(element(hash)))
    await heading(page, words)
    await eventually(async () => expect(await receivedEvents(page)).toEqual([['expired', { hash, status }]]))
  })

  it('the element follows its attributes, disconnects when it is removed, and starts again when it is inserted', async () => {
    const [first, second] = [await given([START]), await given([START, progressTo(70)])]
    const page = await open(bodyWith('<halfway-progress><p>Not yet.</p></halfway-progress>'))
    const shown = page.locator('halfway-progress')
    const setHash = (hash: string) => shown.evaluate((it, hash) => it.setAttribute('hash', hash), hash)
    expect(await page.getByText('Not yet.').isVisible()).toBe(true)
    await setHash(first)
    await isLive(page)
    expect(await page.getByText('Not yet.').isVisible()).toBe(false)
    await setHash(second)
    await page.getByText('70%').waitFor()
    await isLive(page)
    await shown.evaluate((it) => {
      Object.assign(window, { it })
      it.remove()
    })
    await apply(second, progressTo(80))
    await page.evaluate(() => document.body.append((window as unknown as { it: Node }).it))
    await page.getByText('80%').waitFor()
    expect((await receivedEvents(page)).map(([, { hash, progress }]) => [hash, progress])).toEqual([
      [first, 0],
      [second, 70],
      [second, 80],
    ])
  })

  it('two elements show two requests on one page, each in its own language', async () => {
    const hashes = [await given([START, REQUIRE_OTP]), await given([START, progressTo(42)])]
    const page = await open(
      bodyWith(element(String(hashes[0]), ' lang="fa-IR"') + element(String(hashes[1]))),
    )
    const [persian, english] = [
      page.locator('halfway-progress').first(),
      page.locator('halfway-progress').last(),
    ]
    await heading(persian, 'کد تأیید لازم است')
    await english.getByText('42%').waitFor()
    expect(await persian.locator('.embedded').evaluate((box) => getComputedStyle(box).direction)).toBe('rtl')
    expect(await english.locator('.embedded').evaluate((box) => getComputedStyle(box).direction)).toBe('ltr')
    await page.waitForFunction(() => document.fonts.check('16px Vazirmatn') && document.fonts.size === 1)
  })

  it('the element shows a request to its owner alone with OWNER_CHECK, by the owner token', async () => {
    const submitted = await guarded.api.post('/api/local-requests').send(CREDIT_SCORE).expect(202)
    const { hash, owner_token: token } = submitted.body as Record<string, string>
    const { address } = guarded
    const page = await open(bodyWith(element(String(hash)), { address }))
    await eventually(async () =>
      expect(await receivedEvents(page)).toEqual([['expired', { hash, status: 403 }]]),
    )
    await page
      .locator('halfway-progress')
      .evaluate((it, token) => it.setAttribute('owner-token', token), String(token))
    await isLive(page)
    await page.getByRole('link', { name: 'Cancel the request' }).click()
    await page.getByRole('button', { name: 'Yes, cancel it' }).click()
    await heading(page, 'Cancelled')
  })

  describe('styles', () => {
    const barFill = (page: Page) => page.locator('.bar-fill').evaluate((bar) => getComputedStyle(bar).fill)

    it('the element takes colours from its custom properties, and the colour scheme from the host page', async () => {
      const hash = await given([START])
      const themed = '<style>halfway-progress { --accent: rgb(122, 31, 162) }</style>'
      const page = await open(bodyWith(element(hash), { head: themed }), { colorScheme: 'dark' })
      await isLive(page)
      expect(await barFill(page)).toBe('rgb(122, 31, 162)')
      const ink = () => page.locator('.embedded').evaluate((box) => getComputedStyle(box).color)
      const onLightPage = await ink()
      await page.evaluate(() => document.documentElement.style.setProperty('color-scheme', 'light dark'))
      await eventually(async () => expect(await ink()).not.toBe(onLightPage))
    })

    it('the element has the accent of its server, in light and dark, and its presets', async () => {
      const { body } = await guarded.api.post('/api/local-requests').send(CREDIT_SCORE).expect(202)
      const attributes = ` owner-token="${body.owner_token}" density="compact"`
      const page = await open(bodyWith(element(body.hash, attributes), { address: guarded.address }))
      await isLive(page)
      await eventually(async () => expect(await barFill(page)).toBe('rgb(10, 95, 180)'))
      const inset = () => page.locator('.embedded').evaluate((box) => getComputedStyle(box).paddingTop)
      expect(await inset()).toBe('12px')
      await page.locator('halfway-progress').evaluate((it) => it.setAttribute('theme', 'dark'))
      const luminous = async () =>
        (await barFill(page))
          .match(/\d+/g)
          ?.map(Number)
          .every((part) => part > 100)
      await eventually(async () => expect(await luminous()).toBe(true))
    })

    it('the styles of the host page do not change the element', async () => {
      const hash = await given([START])
      const styleOf = (page: Page) =>
        page.locator('h1[data-live]').evaluate((it) => {
          const { color, textTransform, borderTopWidth } = getComputedStyle(it)
          return [color, textTransform, borderTopWidth, Math.round(it.getBoundingClientRect().height)]
        })
      const plain = await open(bodyWith(element(hash)))
      await isLive(plain)
      const expected = await styleOf(plain)
      const hostile = `<style>html { font-size: 62.5% } div { display: none } h1 { border: 9px solid }
        * { color: red !important; text-transform: uppercase; letter-spacing: 1em; line-height: 3 }</style>`
      const page = await open(bodyWith(element(hash), { head: hostile }))
      await isLive(page)
      expect(await styleOf(page)).toEqual(expected)
    })

    it('the element works under the strict CSP that its documentation gives', async () => {
      policy = strictPolicy(server.address)
      const page = await open(bodyWith(element(await given([START]), ' lang="fa"')))
      const traffic = recordTraffic(page)
      await page.locator('[data-live=connection][data-state=live]').waitFor()
      await page.waitForFunction(() => [...document.fonts].some(({ status }) => status === 'loaded'))
      expect(traffic.errors).toEqual([])
    })
  })

  it('the element keeps its fallback content on a site that is not allowed', async () => {
    html = bodyWith(element(await given([START])))
    const page = await browser.open()
    // Chromium says that the request failed, Firefox that it is over.
    const isView = (request: Request): boolean => request.url().includes('/progress/')
    const refused = Promise.race([
      page.waitForEvent('requestfailed', isView),
      page.waitForEvent('requestfinished', isView),
    ])
    await page.goto(siteAddress.replace('127.0.0.1', 'localhost'))
    await refused
    expect(await page.getByText('Not yet.').isVisible()).toBe(true)
  })

  it('the element is accessible in every state', async () => {
    const hash = await given([START])
    const page = await open(bodyWith(element(hash)))
    await isLive(page)
    expect(await accessibilityViolations(page)).toEqual([])
    await apply(hash, REQUIRE_OTP)
    await page.locator('#otp').waitFor()
    expect(await accessibilityViolations(page)).toEqual([])
    await apply(hash, COMPLETE)
    await heading(page, 'Your result is ready')
    expect(await accessibilityViolations(page)).toEqual([])
  })

  it('the element shows the images of a result, with its owner token where the server requires one', async () => {
    const submitted = await guarded.api.post('/api/local-requests').send(CREDIT_SCORE).expect(202)
    const { hash, owner_token: token } = submitted.body as { hash: string; owner_token: string }
    await guarded.apply(hash, START)
    await guarded.apply(hash, { ...COMPLETE, result: { photo: PNG } })
    const page = await browser.open()
    policy = strictPolicy(guarded.address)
    html = bodyWith(element(hash, ` owner-token="${token}"`), { address: guarded.address })
    const traffic = recordTraffic(page)
    await page.goto(siteAddress)
    const image = page.getByRole('img', { name: 'Photo' })
    await eventually(async () =>
      expect(await image.evaluate((img) => (img as HTMLImageElement).naturalWidth)).toBe(120),
    )
    // Firefox looks for the icon of the site, which this policy forbids.
    expect(traffic.errors.filter((error) => !error.includes('/favicon.ico'))).toEqual([])
  })

  it('the demo page of the docs works', async () => {
    const page = await open(DEMO)
    await page.getByLabel('Halfway server').fill(server.address)
    await page.getByRole('button', { name: 'Ask for the credit score' }).click()
    await isLive(page)
    const [, { hash }] = (await receivedEvents(page))[0] as [string, { hash: string }]
    await apply(hash, START)
    await apply(hash, { type: 'complete', attempt: 1, result: { score: 650 } })
    await page.locator('#events', { hasText: 'completed {"score":650}' }).waitFor()
    // Firefox 153 crashes when axe runs on this page.
    if (!inFirefox) expect(await accessibilityViolations(page)).toEqual([])
  })
})
