/** Pages without TLS at a host name of the local network, where browsers send no Sec-Fetch-Site. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Browser, Page } from 'puppeteer-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createTexts } from '../../core/i18n/index.ts'
import { BROWSERS, HOSTS } from '../helpers/browsers.ts'
import { cleanUp } from '../helpers/clean-up.ts'
import { type Halfway, startHalfway } from '../helpers/halfway.ts'

const { t } = createTexts('en')
const NATIONAL_CODE = '0012345679'

describe.skipIf(BROWSERS.every(({ isMissing }) => isMissing))('over plain http at a host name', () => {
  let halfway: Halfway
  let server: string
  beforeAll(async () => {
    halfway = await startHalfway()
    server = `http://${HOSTS.own}:${new URL(halfway.url).port}`
  })
  afterAll(() => halfway?.stop())

  const MOBILES = ['09120000003', '09120000004']
  describe.each(BROWSERS.map((browser, i) => ({ ...browser, mobile: MOBILES[i]! })))(
    'in $name',
    ({ isMissing, mobile, launch }) => {
      let browser: Browser
      beforeAll(async () => {
        if (!isMissing) browser = await launch()
      })
      afterAll(() => browser?.close())

      async function openTab(): Promise<Page> {
        const context = await browser.createBrowserContext()
        return context.newPage()
      }
      async function submit(page: Page, mobile: string): Promise<void> {
        await page.goto(`${server}/services/credit-score-rating`)
        await page.locator('[name=mobile]').fill(mobile)
        await page.locator('[name=national_code]').fill(NATIONAL_CODE)
        await press(page, t('form.submit'))
        await page.waitForFunction(() => location.pathname.includes('/progress/'))
      }
      const press = (page: Page, words: string): Promise<void> =>
        page.locator(`::-p-xpath(//button[normalize-space()='${words}'])`).click()
      /** From the document: over BiDi `page.url()` may still be that of the previous page. */
      const currentPath = (page: Page): Promise<string> => page.evaluate(() => location.pathname)
      const hasHeading = (page: Page, words: string) =>
        page.waitForSelector(`::-p-xpath(//h1[normalize-space()=${JSON.stringify(words)}])`)

      it.skipIf(isMissing)('a user gets from the form to the result over plain HTTP', async () => {
        const page = await openTab()
        await submit(page, mobile)
        const code = await halfway.codeSentTo(mobile)
        await page.locator('#otp').fill(code)
        await press(page, t('code.submit'))
        await hasHeading(page, t('result.title'))
      })

      it.skipIf(isMissing)(
        'a form of another site is refused over plain HTTP, whatever its referrer policy',
        async () => {
          const page = await openTab()
          await submit(page, mobile)
          const pathname = await currentPath(page)
          const targets = ['/services/credit-score-rating', pathname.replace('progress', 'cancel')]
          for (const policy of ['no-referrer', 'same-origin', 'unsafe-url']) {
            const foreign = await serveForeignPage(
              policy,
              targets.map((path) => server + path),
            )
            for (const i of targets.keys()) {
              await page.goto(foreign)
              await page.locator(`form:nth-of-type(${i + 1}) button`).click()
              await page.waitForFunction(
                (words) => document.querySelector('#main')?.textContent.includes(words),
                {},
                t('error.origin_not_allowed'),
              )
            }
          }
          await page.goto(server + pathname)
          expect(await currentPath(page)).toContain('/progress/')
        },
      )
    },
  )
})

/** A page of another site with a form for each target. */
async function serveForeignPage(referrerPolicy: string, targets: string[]): Promise<string> {
  const forms = targets.map((target) => `<form method="post" action="${target}"><button>Send</button></form>`)
  const http = createServer((_req, res) => {
    res
      .setHeader('Referrer-Policy', referrerPolicy)
      .setHeader('Content-Type', 'text/html')
      .end(forms.join(''))
  })
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
  cleanUp(() => void http.close())
  return `http://${HOSTS.foreign}:${(http.address() as AddressInfo).port}/`
}
