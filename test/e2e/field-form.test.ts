/** The form of a service with a field of every type in a browser: it is accessible, and shows the fields that apply. */
import type { Page } from 'playwright-core'
import { afterEach, describe, expect, inject, it } from 'vitest'
import { BUILT_IN } from '../../core/i18n/index.ts'
import { allFields, READ, serveForm, TYPED } from '../helpers/all-fields.ts'
import { accessibilityViolations, recordTraffic, useBrowser } from '../helpers/browser.ts'
import { isBrowserMissing } from '../helpers/browsers.ts'

const address = await serveForm(allFields(), inject('assets'))
const { open, closeTabs } = useBrowser()

const field = (page: Page, name: string) => page.locator(`.field:has([name=${name}])`)
const choose = (page: Page, kind: 'person' | 'company') => page.check(`[name=kind][value=${kind}]`)
const visible = async (page: Page): Promise<string[]> =>
  page.$$eval('[data-show-when]', (fields) =>
    fields
      .filter((each) => each.checkVisibility())
      .map((each) => String(each.querySelector('[name]')?.getAttribute('name'))),
  )

/** Types and chooses everything as a person does. */
async function fill(page: Page): Promise<void> {
  for (const [name, value] of Object.entries(TYPED)) {
    if (name === 'kind') await choose(page, value as 'company')
    else if (name === 'city') await page.selectOption('[name=city]', value)
    else if (Array.isArray(value)) for (const each of value) await page.check(`[name=${name}][value=${each}]`)
    else if (value === 'true') await page.check(`[name=${name}]`)
    else if (value !== '') await page.fill(`[name=${name}]`, value.replace(/\r\n/g, '\n'))
  }
}

describe.skipIf(isBrowserMissing)('a form with all fields', () => {
  afterEach(closeTabs)

  describe.each(Object.keys(BUILT_IN))('in %s', (lang) => {
    it.each([360, 1200])('is accessible and not too wide at %i pixels, new and refused', async (width) => {
      const page = await open({ viewport: { width, height: 800 } })
      const traffic = recordTraffic(page)
      await page.goto(`${address}/?lang=${lang}`)
      for (const state of ['new', 'refused']) {
        await choose(page, 'company')
        expect(await accessibilityViolations(page), state).toEqual([])
        expect(await page.evaluate(() => document.documentElement.scrollWidth), state).toBeLessThanOrEqual(
          width,
        )
        if (state === 'new') {
          await page.click('main form [type=submit]')
          await page.locator('.error-summary').waitFor()
        }
      }
      expect(traffic.errors).toEqual([])
    })

    it('a link of the error summary focuses the control, in a group the first one', async () => {
      const page = await open()
      await page.goto(`${address}/?lang=${lang}`)
      await page.click('main form [type=submit]')
      await page.click('.error-summary a[href="#field-wishes"]')
      await page.keyboard.press('Space')
      expect(await page.locator('[name=wishes][value=copy]').isChecked()).toBe(true)
    })
  })

  it('a filled form is sent with the data of the fields that apply', async () => {
    const page = await open()
    await page.goto(address)
    await fill(page)
    await page.click('main form [type=submit]')
    await page.waitForURL(/\/services\//)
    expect(JSON.parse(String(await page.locator('body').textContent()))).toEqual(READ)
  })

  it('fields appear with what they depend on, and disappear with it', async () => {
    const page = await open()
    await page.goto(address)
    expect(await visible(page)).toEqual([])
    await choose(page, 'company')
    expect(await visible(page)).toEqual(['company_name', 'has_vat'])
    await page.check('[name=has_vat]')
    expect(await visible(page)).toEqual(['company_name', 'has_vat', 'vat_number'])
    await page.fill('[name=vat_number]', 'GB1')
    await choose(page, 'person')
    expect(await visible(page)).toEqual([])
    // What was typed is there again.
    await choose(page, 'company')
    expect(await page.inputValue('[name=vat_number]')).toBe('GB1')
    expect(await page.locator('.condition').count()).toBe(0)
  })

  it('a hidden field is not sent and not reached by the keyboard', async () => {
    const page = await open()
    await page.goto(address)
    await choose(page, 'company')
    await page.fill('[name=company_name]', 'Engines')
    await choose(page, 'person')
    const sent = await page.$eval('main form', (form) => [...new FormData(form as HTMLFormElement).keys()])
    expect(sent).not.toContain('company_name')
    await page.keyboard.press('Tab')
    expect(await page.evaluate(() => document.activeElement?.getAttribute('name'))).toBe('city')
  })

  it('no field moves once the script has loaded', async () => {
    const page = await open()
    let release = (): void => {}
    const held = new Promise<void>((resolve) => {
      release = resolve
    })
    await page.route('**/form*.js', async (route) => {
      await held
      await route.continue()
    })
    await page.goto(address, { waitUntil: 'commit' })
    await page.locator('[name=city]').waitFor()
    const before = await page.locator('[name=city]').boundingBox()
    expect(await visible(page)).toEqual([])
    release()
    await page.waitForFunction(() => document.querySelector('.condition') === null)
    expect(await page.locator('[name=city]').boundingBox()).toEqual(before)
  })

  it('without script every field is visible, with its condition', async () => {
    const page = await open({ javaScriptEnabled: false })
    await page.goto(address)
    for (const name of ['company_name', 'has_vat', 'vat_number'])
      expect(await field(page, name).locator('.condition').isVisible(), name).toBe(true)
  })

  it('everything typed and chosen stays in the other language', async () => {
    const page = await open()
    await page.goto(address)
    await fill(page)
    await page.click('a.language')
    await page.locator('html[lang=fa]').waitFor()
    expect(await visible(page)).toEqual(['company_name', 'has_vat', 'vat_number'])
    expect(await page.inputValue('[name=password]')).toBe(TYPED.password)
    await page.click('main form [type=submit]')
    await page.waitForURL(/\/services\//)
    expect(JSON.parse(String(await page.locator('body').textContent()))).toEqual(READ)
  })

  it('a text field has the direction of its text, and when it is empty that of the page', async () => {
    const page = await open()
    await page.goto(`${address}/?lang=fa`)
    const direction = (name: string) =>
      page.$eval(`[name=${name}]`, (each) => getComputedStyle(each).direction)
    for (const name of ['full_name', 'note']) {
      expect(await direction(name)).toBe('rtl')
      await page.fill(`[name=${name}]`, 'Ada')
      expect(await direction(name)).toBe('ltr')
      await page.fill(`[name=${name}]`, 'آدا')
      expect(await direction(name)).toBe('rtl')
    }
    expect(await direction('email')).toBe('ltr')
  })
})
