/** A failed request that was retried: its pages and those of the retry name each other. */
import { describe, expect, test } from 'vitest'
import type { Command } from '../../core/domain/command.ts'
import { BUILT_IN, createTexts } from '../../core/i18n/index.ts'
import { createFailedRequests } from '../../core/store/failed-requests.ts'
import { aHash, START } from '../helpers/record.ts'
import { useRedis } from '../helpers/redis.ts'
import { useServer } from '../helpers/server.ts'
import { at, openBrowser, textOf } from './page-browser.ts'

const testRedis = await useRedis()
const failures = createFailedRequests({ redis: await testRedis.connections.connect('patient') })
const { address, api, given, apply } = await useServer(testRedis)

const CREDIT = 'credit-score-rating'
const FAIL: Command = {
  type: 'fail',
  attempt: 1,
  error: { code: 'bot_unavailable', message: 'ECONNREFUSED', retryable: true },
}

async function failed(): Promise<string> {
  const hash = await given([START], { service_slug: CREDIT })
  await apply(hash, FAIL)
  return hash
}

describe.each(Object.keys(BUILT_IN))('in %s', (locale) => {
  const { t } = createTexts(locale)
  const browser = openBrowser(address, { 'Accept-Language': locale })

  test('the page of a failed request links to the request it was retried as', async () => {
    const [hash, as] = [await failed(), aHash()]
    expect((await browser.open(at('result', hash, CREDIT)))('.notice')).toHaveLength(0)
    await failures.claimRetry(hash, as)
    const $ = await browser.open(at('result', hash, CREDIT))
    expect(textOf($, '.notice')).toBe(`${t('failed.retried')} ${t('failed.follow')}`)
    expect(textOf($, `.notice a[href="${at('progress', as, CREDIT)}"]`)).toBe(t('failed.follow'))
  })

  test('the pages of a retried request name the original request', async () => {
    const retry_of = aHash()
    const hash = await given([START], { service_slug: CREDIT, retry_of })
    const running = await browser.open(at('progress', hash, CREDIT))
    const link = running(`p.note a[href="${at('progress', retry_of, CREDIT)}"]`)
    expect(link.text()).toBe(t('progress.earlier'))
    expect(link.parent().text()).toBe(t('progress.retry_of', { earlier: t('progress.earlier') }))

    await apply(hash, { type: 'cancel', by: 'user' })
    const over = await browser.open(at('result', hash, CREDIT))
    const fact = over('.facts div').filter((_, div) => over(div).find('dt').text() === t('result.retry_of'))
    expect(fact.find('dd a bdi[dir=ltr]').text()).toBe(retry_of)
  })
})

test('the page of a request that is no retry names no original request', async () => {
  const hash = await given([START], { service_slug: CREDIT })
  const { t } = createTexts('en')
  const $ = await openBrowser(address).open(at('progress', hash, CREDIT))
  expect(textOf($, 'main')).not.toContain(t('progress.retry_of', { earlier: '' }).slice(0, 15))
  expect((await api.get(`/api/local-requests/${hash}/status`)).body.retry_of).toBeNull()
})

test('the status of a retried request names the original in retry_of', async () => {
  const retry_of = aHash()
  const hash = await given([], { service_slug: CREDIT, retry_of })
  expect((await api.get(`/api/local-requests/${hash}/status`)).body).toMatchObject({ retry_of })
})
