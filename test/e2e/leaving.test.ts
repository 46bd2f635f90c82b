/** Who leaves a page: their requests, a code on another device, what is deleted and kept. */
import type { Page } from 'playwright-core'
import { afterEach, describe, expect, inject, it } from 'vitest'
import { createTexts } from '../../core/i18n/index.ts'
import { accessibilityViolations, useBrowser } from '../helpers/browser.ts'
import { isBrowserMissing } from '../helpers/browsers.ts'
import { progressTo, REQUIRE_OTP, START } from '../helpers/record.ts'
import { useRedis } from '../helpers/redis.ts'
import { heading, isConnected, progressUrl, typeCode, watchAt } from '../helpers/request-page.ts'
import { useServer } from '../helpers/server.ts'
import { at } from '../server/page-browser.ts'

const server = await useServer(await useRedis(), {
  assets: inject('assets'),
  settings: { KEEP_LONGER: 'on' },
})
const { address, api, given, apply } = server
const { open, closeTabs } = useBrowser()
const { t } = createTexts('en')

const COMPLETE = { type: 'complete', attempt: 1, result: { score: 712 } } as const
const button = (page: Page, name: string) => page.getByRole('button', { name })
const openResult = async (page: Page, hash: string): Promise<void> => {
  await page.goto(address + at('result', hash))
  await heading(page, t('result.title')).waitFor()
}

describe.skipIf(isBrowserMissing)('a code on another device', () => {
  afterEach(closeTabs)

  it.each([
    ['with script', true],
    ['without script', false],
  ])('%s the link opens the field there, and the first page goes on', async (_name, javaScriptEnabled) => {
    const hash = await given([START, REQUIRE_OTP])
    const first = await open({ javaScriptEnabled })
    if (javaScriptEnabled) await watchAt(address, hash, first)
    else await first.goto(progressUrl(hash, address))
    await button(first, t('device.offer')).click()
    await first.locator('.qr').waitFor()
    if (javaScriptEnabled) expect(await accessibilityViolations(first)).toEqual([])
    const link = await first.locator('#device-link').getAttribute('href')
    const phone = await open({ javaScriptEnabled, viewport: { width: 360, height: 700 } })
    await phone.goto(String(link))
    expect(await phone.content()).not.toContain(hash)
    if (javaScriptEnabled) expect(await accessibilityViolations(phone)).toEqual([])
    await typeCode(phone)
    await heading(phone, t('device.sent_title')).waitFor()
    expect((await phone.goto(String(link)))?.status()).toBe(410)
    if (!javaScriptEnabled) await first.getByRole('link', { name: t('live.check') }).click()
    await heading(first, t('live.status.checking_code')).waitFor()
  })

  it('a picture of a link that is over disappears', async () => {
    const hash = await given([START, REQUIRE_OTP])
    const page = await open()
    await watchAt(address, hash, page)
    await button(page, t('device.offer')).click()
    await page.locator('.qr').waitFor()
    await apply(hash, { type: 'require_otp', attempt: 1, otp: { id: 'otp-2', length: 6 } })
    await page.locator('.qr').waitFor({ state: 'hidden' })
  })
})

describe.skipIf(isBrowserMissing)('a request that has ended', () => {
  afterEach(closeTabs)

  it('every tab says that it is deleted when one of them has deleted it', async () => {
    const hash = await given([START])
    const [mine, other, running] = [await open(), await open(), await open()]
    await watchAt(address, hash, running)
    await apply(hash, COMPLETE)
    await heading(running, t('result.title')).waitFor()
    await openResult(mine, hash)
    await openResult(other, hash)
    await mine.getByRole('link', { name: t('life.delete') }).click()
    await mine.locator('dialog[open]').waitFor()
    expect(await accessibilityViolations(mine)).toEqual([])
    await button(mine, t('delete.keep')).click()
    await heading(mine, t('result.title')).waitFor()
    await mine.getByRole('link', { name: t('life.delete') }).click()
    await button(mine, t('delete.confirm')).click()
    for (const page of [mine, other, running]) await heading(page, t('error.request_expired')).waitFor()
    expect((await mine.reload())?.status()).toBe(410)
  })

  it('every tab says until when it is kept longer', async () => {
    const hash = await given([START, COMPLETE])
    const [mine, other] = [await open(), await open()]
    await openResult(mine, hash)
    await openResult(other, hash)
    await button(mine, t('life.keep')).click()
    for (const page of [mine, other]) await page.getByText(t('life.kept')).waitFor()
    expect(await button(other, t('life.keep')).count()).toBe(0)
  })
})

/** The home page with a pending request that was sent in the same browser. */
async function openListed() {
  const page = await open()
  await page.goto(`${address}/services/link-check`)
  await page.locator('[name=url]').fill('https://example.com/')
  await button(page, t('form.submit')).click()
  await isConnected(page, 'live')
  const hash = new URL(page.url()).pathname.split('/').at(-1) as string
  await page.goto(address)
  const item = page.locator(`[data-request="${hash}"]`)
  await item.getByText(t('live.status.pending')).waitFor()
  return { page, hash, item }
}

describe.skipIf(isBrowserMissing)('the home page', () => {
  afterEach(closeTabs)

  it('a request that is written again keeps its time in the language of the page', async () => {
    const page = await open({ locale: 'fa' })
    await page.goto(`${address}/services/link-check`)
    await page.locator('[name=url]').fill('https://example.com/')
    await button(page, createTexts('fa').t('form.submit')).click()
    await page.waitForURL(/progress/)
    const hash = new URL(page.url()).pathname.split('/').at(-1) as string
    await page.goto(address)
    const item = page.locator(`[data-request="${hash}"]`)
    const time = item.locator('time')
    const before = await time.textContent()
    expect(before).toMatch(/^[^a-z0-9]*[۰-۹]+:[۰-۹]+[^a-z0-9]*$/i)
    await apply(hash, START)
    await apply(hash, progressTo(40))
    await item.getByText('۴۰٪').waitFor()
    expect(await time.textContent()).toBe(before)
  })

  it('it follows the requests of its browser until they are deleted', async () => {
    const { page, hash, item } = await openListed()
    await item.getByRole('link').focus()
    await apply(hash, START)
    await apply(hash, progressTo(40))
    await item.getByText('40%').waitFor()
    expect(await accessibilityViolations(page)).toEqual([])
    expect(await item.getByRole('link').evaluate((link) => link === document.activeElement)).toBe(true)
    await apply(hash, COMPLETE)
    await item.getByText(t('live.status.completed')).waitFor()
    await page.locator('#polite', { hasText: t('live.status.completed') }).waitFor({ state: 'attached' })
    await api.delete(`/api/local-requests/${hash}`).expect(204)
    await item.waitFor({ state: 'detached' })
    expect(await page.locator('#own-requests').isHidden()).toBe(true)
  })

  it('the list of requests keeps the language of its page: it follows to another one as a whole', async () => {
    const { page, hash } = await openListed()
    const other = await page.context().newPage()
    await other.goto(`${address}/?lang=fa`)
    await apply(hash, START)
    await page.locator('html[lang=fa] [data-request]').waitFor()
    expect(await page.title()).toBe(await other.title())
  })
})
