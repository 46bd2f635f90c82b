/** Pages without TLS at a host name of the local network, where browsers send no Sec-Fetch-Site. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createTexts } from '../../core/i18n/index.ts'
import { useBrowser } from '../helpers/browser.ts'
import { BROWSERS } from '../helpers/browsers.ts'
import { cleanUp } from '../helpers/clean-up.ts'
import { type Halfway, startHalfway } from '../helpers/halfway.ts'
import { HOSTS } from '../helpers/hosts.ts'
import { code, heading } from '../helpers/request-page.ts'

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
  describe.each(BROWSERS.map((kind, i) => ({ ...kind, kind, mobile: MOBILES[i]! })))(
    'in $name',
    ({ kind, isMissing, mobile }) => {
      const { open } = useBrowser({ kind })

      async function submit(page: Page, mobile: string): Promise<void> {
        await page.goto(`${server}/services/credit-score-rating`)
        await page.locator('[name=mobile]').fill(mobile)
        await page.locator('[name=national_code]').fill(NATIONAL_CODE)
        await page.getByRole('button', { name: t('form.submit') }).click()
        await page.waitForURL(/\/progress\//)
      }

      it.skipIf(isMissing)('a user gets from the form to the result over plain HTTP', async () => {
        const page = await open()
        await submit(page, mobile)
        await code(page).fill(await halfway.codeSentTo(mobile))
        await page.getByRole('button', { name: t('code.submit'), exact: true }).click()
        await heading(page, t('result.title')).waitFor()
      })

      it.skipIf(isMissing)(
        'a form of another site is refused over plain HTTP, whatever its referrer policy',
        async () => {
          const page = await open()
          await submit(page, mobile)
          const { pathname } = new URL(page.url())
          const targets = ['/services/credit-score-rating', pathname.replace('progress', 'cancel')]
          for (const policy of ['no-referrer', 'same-origin', 'unsafe-url']) {
            const foreign = await serveForeignPage(
              policy,
              targets.map((path) => server + path),
            )
            for (const i of targets.keys()) {
              await page.goto(foreign)
              await page.locator(`form:nth-of-type(${i + 1}) button`).click()
              await page.locator('#main', { hasText: t('error.origin_not_allowed') }).waitFor()
            }
          }
          await page.goto(server + pathname)
          expect(page.url()).toContain('/progress/')
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
