/** A request page that the browser translates, as Google Translate does in Chromium. */
import type { Page } from 'playwright-core'
import { afterEach, describe, expect, inject, it } from 'vitest'
import { createTexts } from '../../core/i18n/index.ts'
import { useBrowser } from '../helpers/browser.ts'
import { isBrowserMissing } from '../helpers/browsers.ts'
import { progressTo, REQUIRE_OTP, START } from '../helpers/record.ts'
import { useRedis } from '../helpers/redis.ts'
import { code, live, typeCode, watchAt } from '../helpers/request-page.ts'
import { useServer } from '../helpers/server.ts'

const { address, given, apply } = await useServer(await useRedis(), { assets: inject('assets') })
const { open, closeTabs } = useBrowser()
const { t } = createTexts('en')

/** Opens the page and translates it. */
async function openTranslated(hash: string): Promise<Page> {
  const page = await open()
  await page.clock.install()
  await watchAt(address, hash, page)
  await page.evaluate(translate)
  await page.evaluate(() => Object.assign(globalThis, { isTheSame: true }))
  return page
}

describe.skipIf(isBrowserMissing)('a translated page', () => {
  afterEach(closeTabs)

  it('a translated page stays translated, and shows translated updates', async () => {
    const hash = await given([START, progressTo(10)])
    const page = await openTranslated(hash)
    const heading = page.locator('h1')
    await heading.filter({ hasText: `DE ${t('live.status.processing')}` }).waitFor()
    const before = await page.evaluate(countTranslations)
    await page.clock.runFor(4000)
    // Only the age of the last message changes in four seconds.
    expect((await page.evaluate(countTranslations)) - before).toBeLessThanOrEqual(4)
    expect(await heading.textContent()).toBe(`DE ${t('live.status.processing')}`)
    expect(await page.title()).toMatch(/^DE 10%/)

    await apply(hash, progressTo(40, 'Signing in'))
    await live(page, 'percent').filter({ hasText: 'DE 40%' }).waitFor()
    await live(page, 'message').filter({ hasText: 'DE Signing in' }).waitFor()
    expect(await live(page, 'bar').getAttribute('aria-valuenow')).toBe('40')
  })

  it('a translated page counts down to a resend, shows a wrong code, and accepts the right one in place', async () => {
    const hash = await given([START, REQUIRE_OTP])
    const page = await openTranslated(hash)
    await live(page, 'resend-wait')
      .filter({ hasText: /^DE .*next in \d/ })
      .waitFor()
    const first = await live(page, 'resend-wait').textContent()
    await page.clock.runFor(11_000)
    await live(page, 'resend-wait')
      .filter({ hasText: /^DE .*next in \d/ })
      .waitFor()
    expect(await live(page, 'resend-wait').textContent()).not.toBe(first)

    await code(page).fill('123')
    await page.keyboard.press('Enter')
    const error = page
      .getByRole('alert')
      .filter({ hasText: `DE ${t('code.error.wrong_length', { length: 6, typed: 3 })}` })
    await error.waitFor()
    await page.clock.runFor(3000)
    expect(await error.isVisible()).toBe(true)
    await typeCode(page)
    await page.locator('h1', { hasText: `DE ${t('live.status.checking_code')}` }).waitFor()
    expect(await page.evaluate(() => 'isTheSame' in globalThis)).toBe(true)
  })
})

// What follows runs in the page.

/** Sets the language of `<html>`, and wraps each text in two `<font>`, now and whenever one is written. */
function translate(): void {
  const isTranslated = (node: Node): boolean => node.parentElement?.closest('font') !== null
  let count = 0
  const translateIn = (root: Node): void => {
    const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT)
    const texts: Text[] = root instanceof Text ? [root] : []
    while (walker.nextNode()) texts.push(walker.currentNode as Text)
    for (const text of texts) {
      if (isTranslated(text) || !text.data.trim() || text.parentElement?.closest('script, title')) continue
      const [outer, inner] = [document.createElement('font'), document.createElement('font')]
      inner.textContent = `DE ${text.data.trim()}`
      outer.append(inner)
      text.replaceWith(outer)
      count++
    }
  }
  const root = document.documentElement
  root.lang = 'de'
  root.classList.add('translated-ltr')
  const translateTitle = (): void => {
    if (!document.title.startsWith('DE ')) document.title = `DE ${document.title}`
  }
  translateIn(document.body)
  translateTitle()
  new MutationObserver((changes) => {
    for (const { addedNodes } of changes)
      for (const node of addedNodes) if (node.isConnected) translateIn(node)
  }).observe(document.body, { childList: true, subtree: true })
  new MutationObserver(translateTitle).observe(document.head, {
    childList: true,
    subtree: true,
    characterData: true,
  })
  Object.assign(globalThis, { countTranslations: () => count })
}

const countTranslations = (): number =>
  (globalThis as unknown as { countTranslations(): number }).countTranslations()
