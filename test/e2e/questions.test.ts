/** Questions of each kind in a real browser, on the server's page and in the element on another site. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Page } from 'playwright-core'
import { afterAll, afterEach, describe, expect, inject, it } from 'vitest'
import { createOtpMailbox } from '../../core/actions/otp-mailbox.ts'
import type { OtpRequest } from '../../core/domain/otp-prompt.ts'
import { BUILT_IN } from '../../core/i18n/index.ts'
import { createChannelSubscriber } from '../../core/pubsub/channel-subscriber.ts'
import { createRequestStore } from '../../core/store/request-store.ts'
import { accessibilityViolations, useBrowser } from '../helpers/browser.ts'
import { isBrowserMissing } from '../helpers/browsers.ts'
import { eventually } from '../helpers/eventually.ts'
import { GIF, PNG } from '../helpers/pictures.ts'
import { START, TTL_SECONDS } from '../helpers/record.ts'
import { quiet, useRedis } from '../helpers/redis.ts'
import { useServer } from '../helpers/server.ts'
import { at } from '../server/page-browser.ts'

let html = ''
const site = createServer((_req, res) => {
  res.setHeader('Content-Type', 'text/html; charset=utf-8').end(html)
})
const siteAddress = await new Promise<string>((resolve) => {
  site.listen(0, '127.0.0.1', () => resolve(`http://127.0.0.1:${(site.address() as AddressInfo).port}`))
})
afterAll(() => void site.close())

const redis = await useRedis()
const client = await redis.connections.connect('patient')
const { address, given, apply } = await useServer(redis, {
  assets: inject('assets'),
  settings: { ALLOWED_ORIGINS: siteAddress },
})
const { open, closeTabs } = useBrowser()
const otpMailbox = createOtpMailbox({
  redis: client,
  channels: createChannelSubscriber({
    redis: client,
    subscriber: await redis.connections.connect('subscriber'),
    log: quiet,
  }),
  store: createRequestStore({ redis: client, ttlSeconds: TTL_SECONDS }),
})

const ask = (hash: string, otp: Omit<OtpRequest, 'id'>, id = 'q-1'): Promise<void> =>
  apply(hash, { type: 'require_otp', attempt: 1, otp: { id, ...otp } })
const options = (count: number) =>
  Array.from({ length: count }, (_, n) => ({
    value: `v${n}`,
    label: { en: `Account ${n}`, fa: `حساب ${n}` },
  }))

const arrives = (hash: string, answer: string): Promise<void> =>
  eventually(async () => expect(await otpMailbox.take(hash)).toBe(answer))

/** Each kind: the question, what the submitter does, and the answer. */
const KINDS: [string, Omit<OtpRequest, 'id'>, (page: Page) => Promise<void>, string][] = [
  [
    'text',
    { kind: 'text', message: 'Which street?' },
    async (page) => {
      await page.getByLabel('Your answer').fill('Main Street 5')
      await page.getByRole('button', { name: 'Continue', exact: true }).click()
    },
    'Main Street 5',
  ],
  [
    'choice with radio buttons',
    { kind: 'choice', message: 'Which account?', options: options(3) },
    async (page) => {
      await page.getByLabel('Account 1').check()
      await page.getByRole('button', { name: 'Continue', exact: true }).click()
    },
    'v1',
  ],
  [
    'choice with a list',
    { kind: 'choice', options: options(8) },
    async (page) => {
      await page.getByLabel('Your answer').selectOption('Account 7')
      await page.getByRole('button', { name: 'Continue', exact: true }).click()
    },
    'v7',
  ],
  [
    'confirm',
    { kind: 'confirm', message: 'Go on?' },
    (page) => page.getByRole('button', { name: 'No', exact: true }).click(),
    'no',
  ],
  [
    'image',
    { kind: 'image', image: PNG },
    async (page) => {
      await isShown(page)
      await page.getByLabel('Text in the picture').fill('x7Kp')
      await page.getByRole('button', { name: 'Continue', exact: true }).click()
    },
    'x7Kp',
  ],
]

/** Whether the picture has been loaded and decoded. */
const isShown = (page: Page): Promise<void> =>
  eventually(async () =>
    expect(
      await page.locator('img.code-image').evaluate((image: HTMLImageElement) => image.naturalWidth),
    ).toBeGreaterThan(0),
  )

describe.skipIf(isBrowserMissing)('a question', () => {
  afterEach(closeTabs)

  it.each(KINDS)(
    'the page shows a %s in place, and the answer reaches the bot',
    async (_kind, question, answer, expected) => {
      const hash = await given([START])
      const page = await open()
      await page.goto(address + at('progress', hash))
      await ask(hash, question)
      await page.locator('h1', { hasText: 'Your answer is needed' }).waitFor()
      expect(await page.title()).toMatch(/^Answer needed/)
      await answer(page)
      await arrives(hash, expected)
      await page.locator('h1', { hasText: 'Checking your answer' }).waitFor()
    },
  )

  it.each(KINDS)(
    'the element on another site shows a %s, and the answer reaches the bot',
    async (_kind, question, answer, expected) => {
      const hash = await given([START])
      await ask(hash, question)
      html = `<!doctype html><html lang="en"><head><title>A shop</title>
      <script type="module" src="${address}/assets/halfway-progress.js"></script></head>
      <body><h1>A shop</h1><halfway-progress hash="${hash}"></halfway-progress></body></html>`
      const page = await open()
      await page.goto(siteAddress)
      await answer(page)
      await arrives(hash, expected)
    },
  )

  it('the next question replaces the one before, without what was typed into it', async () => {
    const hash = await given([START])
    await ask(hash, { kind: 'text', message: 'Which street?' })
    const page = await open()
    await page.goto(address + at('progress', hash))
    await page.fill('#otp', 'Main')
    await ask(hash, { kind: 'image', image: PNG }, 'q-2')
    await page.getByLabel('Text in the picture').waitFor()
    expect(await page.inputValue('#otp')).toBe('')
  })

  it('a renewed picture replaces the one before', async () => {
    const hash = await given([START])
    await ask(hash, { kind: 'image', image: PNG })
    const page = await open()
    await page.goto(address + at('progress', hash))
    await isShown(page)
    await ask(hash, { kind: 'image', image: GIF }, 'q-2')
    await page.locator('img.code-image[src$="q-2"]').waitFor()
    await isShown(page)
  })

  it.each(Object.keys(BUILT_IN))('questions have no accessibility violations in %s', async (locale) => {
    for (const [kind, question] of KINDS) {
      const hash = await given([START])
      await ask(hash, question)
      const page = await open({ locale })
      await page.goto(address + at('otp', hash))
      expect(await accessibilityViolations(page), kind).toEqual([])
      await page.close()
    }
  })
})
