/** Closed services and held queues, as submitters meet them. */
import { load } from 'cheerio'
import { afterEach, expect, test } from 'vitest'
import { queuesOf } from '../../core/catalog/catalog.ts'
import { createControlStore } from '../../core/store/operator-controls.ts'
import { eventually } from '../helpers/eventually.ts'
import { START } from '../helpers/record.ts'
import { useRedis } from '../helpers/redis.ts'
import { CREDIT_SCORE, useServer } from '../helpers/server.ts'
import { catalog, creditScoreRating } from '../helpers/services.ts'
import { openBrowser } from './page-browser.ts'

const redis = await useRedis()
const { address, api, controls, store } = await useServer(redis, { settings: { CLOSE_AFTER_FAILURES: '3' } })
const { slug, queue } = creditScoreRating
const set = createControlStore({ redis: await redis.connections.connect('patient') })
const submit = () => api.post('/api/local-requests').send(CREDIT_SCORE)
const formOf = async (language = 'en') =>
  load((await api.get(`/services/${slug}`).set('Accept-Language', language).expect(200)).text)
const described = async () =>
  (await api.get('/api/services')).body.services.find((one: { slug: string }) => one.slug === slug)

afterEach(async () => {
  await set.open(slug)
  await set.resume(queue.name)
  await controls.refresh()
})

test('a closed service refuses requests with 503, and its form says so instead of asking', async () => {
  await set.close(slug, 'Back on <Monday>.')
  await controls.refresh()
  const { body, headers } = await submit().expect(503)
  expect(body).toMatchObject({ code: 'service_closed', detail: 'Back on <Monday>.', retryable: true })
  expect(headers['retry-after']).toBe('60')
  const $ = await formOf()
  expect($('.notice').text()).toContain('This service is closed at the moment')
  expect($('.notice [dir=auto]').text()).toBe('Back on <Monday>.')
  expect($('form.form')).toHaveLength(0)
  expect((await formOf('fa'))('.notice').text()).toContain('این سرویس فعلاً بسته است')
  expect(load((await api.get('/')).text)('.card').text()).toContain('Closed at the moment')
  expect(await described()).toMatchObject({ is_closed: true })
  await set.open(slug)
  await controls.refresh()
  await submit().expect(202)
  expect(await described()).toMatchObject({ is_closed: false })
})

test('a form that was filled before the service was closed keeps what was typed', async () => {
  const browser = openBrowser(address)
  const key = (await browser.open(`/services/${slug}`))('[name=_key]').attr('value')
  await set.close(slug, null)
  await controls.refresh()
  const sent = await browser.refused(`/services/${slug}`, { ...CREDIT_SCORE.request_data, _key: key })
  const $ = load(sent.text)
  expect($('.error-summary h2').text()).toBe('This service is closed at the moment')
  expect($('[name=mobile]').attr('value')).toBe(CREDIT_SCORE.request_data.mobile)
  await set.open(slug)
  await controls.refresh()
})

test('the form of a held queue says that requests do not start, and accepts them', async () => {
  await set.hold(queue.name, 'The portal is being repaired.')
  await controls.refresh()
  expect((await formOf())('.notice').text()).toMatch(
    /do not start at the moment\.\s+The portal is being repaired\./,
  )
  await submit().expect(202)
  expect(await described()).toMatchObject({ is_held: true })
  await set.resume(queue.name)
  await controls.refresh()
})

test('failures with one code in a row close a service, which tries one request a minute and opens once one completes', async () => {
  const run = async (...commands: Parameters<typeof store.apply>[1][]) => {
    const { body } = await submit().expect(202)
    for (const command of [START, ...commands]) await store.apply(body.hash, command)
    return body.hash as string
  }
  const isClosed = (by: string | undefined) =>
    eventually(async () => {
      await controls.refresh()
      expect(controls.current().closed.get(slug)?.by).toBe(by)
    })
  const fail = (code: string) => run({ type: 'fail', error: { code, message: 'no', retryable: false } })
  await fail('portal_down')
  await fail('portal_down')
  // Another code begins a new row, and a submitter's own failure is none of the service.
  await fail('timed_out')
  await fail('otp_expired')
  await fail('timed_out')
  await isClosed(undefined)
  await fail('timed_out')
  await isClosed('failures')
  expect((await formOf())('.notice').text()).toContain('not working at the moment')
  expect((await formOf())('form.form')).toHaveLength(1)

  const { body } = await submit().expect(202)
  await submit().expect(503)
  await store.apply(body.hash, START)
  await store.apply(body.hash, { type: 'complete', attempt: 1, result: {} })
  await isClosed(undefined)
  await submit().expect(202)
})

test('a service that an operator closed stays closed when a request completes', async () => {
  const { body } = await submit().expect(202)
  await set.close(slug, null)
  await controls.refresh()
  await store.apply(body.hash, START)
  await store.apply(body.hash, { type: 'complete', attempt: 1, result: {} })
  await submit().expect(503)
  expect((await set.read()).closed.get(slug)?.by).toBe('operator')
  expect(queuesOf(catalog).some(({ name }) => name === queue.name)).toBe(true)
})
