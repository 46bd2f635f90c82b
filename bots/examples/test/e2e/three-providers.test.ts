/** Three providers queried concurrently by the real processes, watched in a real browser. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createTexts } from '../../../../core/i18n/index.ts'
import { recordTraffic, useBrowser } from '../../../../test/helpers/browser.ts'
import { isBrowserMissing } from '../../../../test/helpers/browsers.ts'
import { definition } from '../../three-provider-inquiry/definition.ts'
import { type ExampleHalfway, startExamples } from '../start-examples.ts'

/** For this national code the fastest provider is down. */
const NATIONAL_CODE = '0012345768'

describe.skipIf(isBrowserMissing)('a three-provider inquiry', () => {
  let halfway: ExampleHalfway
  const { open } = useBrowser()
  beforeAll(async () => {
    halfway = await startExamples({ DEMO_PORTAL_SPEED: '4' })
  })
  afterAll(() => halfway?.stop())

  it('a page shows each of three providers at work, the one that fails, and the results of the others', async () => {
    const { t } = createTexts('en')
    const page = await open({ locale: 'en-GB' })
    const traffic = recordTraffic(page)
    await page.goto(`${halfway.url}/services/${definition.slug}`)
    await page.fill('[name=national_code]', NATIONAL_CODE)
    await page.click('main form [type=submit]')
    await page.waitForURL(/\/progress\/req_/)
    const part = (id: string, state: string) =>
      page.locator(`.step[data-step=asking] .part[data-step=${id}][data-state=${state}]`)
    const words = (id: string, state: string) => part(id, state).locator('.step-state')

    await part('swift', 'failed').waitFor()
    expect(await words('swift', 'failed').textContent()).toBe(t('live.part.failed'))
    expect(await page.locator('.part').count()).toBe(3)
    expect(await page.locator('[aria-current]').getAttribute('data-step')).toBe('asking')
    await words('thorough', 'current')
      .filter({ hasText: /^\d+%$/ })
      .waitFor()
    await page.getByRole('heading', { level: 1, name: t('result.title') }).waitFor()
    expect(await page.locator('td.part-of + td').allTextContents()).toEqual([
      t('live.part.failed'),
      expect.stringMatching(/^\d+ s$/),
      expect.stringMatching(/^\d+ s$/),
    ])
    expect(traffic.errors).toEqual([])
  })
})
