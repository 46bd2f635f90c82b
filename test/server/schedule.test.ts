/** Scheduled requests and priorities. */
import { describe, expect, test } from 'vitest'
import type { RequestRecord } from '../../core/domain/record.ts'
import { eventually } from '../helpers/eventually.ts'
import { keys } from '../helpers/keys.ts'
import { useRedis } from '../helpers/redis.ts'
import { CREDIT_SCORE, useServer } from '../helpers/server.ts'
import { openBrowser, textOf } from './page-browser.ts'

const SUBMIT = '/api/local-requests'
const TTL_MS = 1_800_000

const testRedis = await useRedis()
const redis = await testRedis.connections.connect('patient')
const { address, api, apply } = await useServer(testRedis, { settings: { TOP_PRIORITY: '1' } })
const strict = await useServer(testRedis, { settings: { MAX_DELAY: '600', TOP_PRIORITY: '4' } })

const submit = (scheduleOptions: object = {}, to = api) =>
  to.post(SUBMIT).send({ ...CREDIT_SCORE, ...scheduleOptions })
const recordOf = async (hash: string): Promise<RequestRecord> =>
  JSON.parse((await redis.get(keys.record(hash))) ?? 'null')
const inMs = (ms: number): string => new Date(Date.now() + ms).toISOString()
const delayedUntil = async (hash: string): Promise<number> =>
  Math.floor(Number(await redis.zscore('halfway:inquiries:delayed', hash)) / 0x1000)
const waitsNow = async (hash: string): Promise<boolean> =>
  (await redis.zscore('halfway:inquiries:prioritized', hash)) !== null

interface Refused {
  errors: { field: string; code: string; message: string }[]
}
const refused = async (scheduleOptions: object, to = api): Promise<[string, string][]> => {
  const { body } = await submit(scheduleOptions, to).expect(422)
  expect(body.code).toBe('validation_failed')
  return (body as Refused).errors.map(({ field, code }) => [field, code])
}
const reasonFor = async (scheduleOptions: object, to = api): Promise<string | undefined> =>
  ((await submit(scheduleOptions, to).expect(422)).body as Refused).errors[0]?.message

describe('a scheduled request', () => {
  test('a request with a delay is due that many seconds after its creation', async () => {
    const { body } = await submit({ delay: 600 }).expect(202)
    expect(Date.parse(body.run_at) - Date.parse(body.created_at)).toBe(600_000)
    expect(body).toMatchObject({ status: 'pending', queue_position: null, retry_of: null })
    expect(Math.abs((await delayedUntil(body.hash)) - Date.parse(body.run_at))).toBeLessThan(1000)
    expect(await waitsNow(body.hash)).toBe(false)
  })

  test('a request with run_at is due at that time, in any UTC offset', async () => {
    const at = Math.floor(Date.now() / 1000) * 1000 + 3_600_000
    const utc = new Date(at).toISOString()
    const shifted = (ms: number, offset: string): string =>
      new Date(at + ms).toISOString().replace('Z', offset)
    for (const run_at of [
      utc,
      utc.replace('.000', ''),
      shifted(12_600_000, '+03:30'),
      shifted(-18_000_000, '-05:00'),
    ]) {
      const { body } = await submit({ run_at }).expect(202)
      expect(body.run_at, run_at).toBe(utc)
    }
  })

  test('a scheduled request expires 1800 s after its due time, in the record and in Redis', async () => {
    const { body } = await submit({ delay: 7200 }).expect(202)
    expect(Date.parse(body.expires_at) - Date.parse(body.run_at)).toBe(TTL_MS)
    expect(await redis.pexpiretime(keys.record(body.hash))).toBe(Date.parse(body.expires_at))
    // The rescuer has nothing to check before.
    expect(Number(await redis.zscore(keys.deadlines, body.hash))).toBe(Date.parse(body.run_at) + 10_000)
  })

  test('a scheduled request has no queue position and its status has run_at', async () => {
    const { body } = await submit({ delay: 600 })
    const { body: status } = await api.get(body.status_url).expect(200)
    expect(status).toMatchObject({ status: 'pending', queue_position: null, run_at: body.run_at })
  })

  test('a scheduled request does not delay queued requests', async () => {
    const first = (await submit()).body
    await submit({ delay: 600 })
    const second = (await submit()).body
    expect(second.queue_position).toBe(first.queue_position + 1)
  })

  test('cancelling a scheduled request removes its job', async () => {
    const { body } = await submit({ delay: 600 })
    expect(await redis.exists(`halfway:inquiries:${body.hash}`)).toBe(1)
    await api.post(body.cancel_url).expect(200)
    expect(await redis.exists(`halfway:inquiries:${body.hash}`)).toBe(0)
    expect(await redis.zscore('halfway:inquiries:delayed', body.hash)).toBeNull()
  })

  test('an ended scheduled request expires 1800 s after its end', async () => {
    const { body } = await submit({ delay: 7200 })
    await apply(body.hash, { type: 'cancel', by: 'user' })
    const record = await recordOf(body.hash)
    expect(Date.parse(record.expires_at) - Date.parse(record.completed_at ?? '')).toBe(TTL_MS)
    expect(await redis.pexpiretime(keys.record(body.hash))).toBe(Date.parse(record.expires_at))
  })

  test('the Idempotency-Key of a scheduled request is stored as long as the request may live', async () => {
    const names = async () => new Set(await redis.keys('halfway:idempotency:*'))
    const before = await names()
    await submit({ delay: 7200 }).set('Idempotency-Key', 'for-later').expect(202)
    const made = [...(await names())].filter((name) => !before.has(name))
    expect(made).toHaveLength(2)
    for (const name of made) {
      expect(await redis.ttl(name)).toBeGreaterThan(10_790)
      expect(await redis.ttl(name)).toBeLessThanOrEqual(10_800)
    }
  })

  test('an Idempotency-Key reused with another schedule is refused', async () => {
    const withKey = (scheduleOptions: object) => submit(scheduleOptions).set('Idempotency-Key', 'one-key')
    const first = await withKey({ delay: 600 }).expect(202)
    for (const scheduleOptions of [{ delay: 601 }, {}, { delay: 600, priority: 3 }]) {
      const { body } = await withKey(scheduleOptions).expect(422)
      expect(body.code).toBe('idempotency_key_reused')
    }
    expect((await withKey({ delay: 600 }).expect(202)).body).toEqual(first.body)
  })

  test('a repeated submit replays its first response even after run_at has passed', async () => {
    const run_at = inMs(-59_000)
    const again = () => submit({ run_at }).set('Idempotency-Key', 'soon-over')
    const first = await again().expect(202)
    await eventually(() => expect(Date.now() - Date.parse(run_at)).toBeGreaterThan(60_000))
    expect(await refused({ run_at })).toEqual([['run_at', 'in_the_past']])
    expect((await again().expect(202)).body).toEqual(first.body)
  })

  test.each(['en', 'fa'] as const)(
    'the page of a scheduled request shows its start time (%s)',
    async (locale) => {
      const { body } = await submit({ run_at: inMs(7_200_000) })
      const $ = await openBrowser(address, { 'Accept-Language': locale }).open(body.progress_url)
      expect($(`.starts time[datetime="${body.run_at}"]`)).toHaveLength(1)
      expect(textOf($, '.starts')).toMatch(locale === 'en' ? /^\(.*\d/ : /^\(.*ساعت [۰-۹]/)
      expect(textOf($, '[data-live=startsIn]')).toMatch(locale === 'en' ? /2 hours/ : /۲ ساعت/)
      expect($(`.aside time[datetime="${body.expires_at}"]`)).toHaveLength(1)
    },
  )
})

describe('an unscheduled request', () => {
  test.each([
    ['has no schedule', () => ({})],
    ['has a null schedule', () => ({ delay: null, run_at: null, priority: null })],
    ['has a delay of 0', () => ({ delay: 0 })],
    ['has a run_at of less than a minute ago', () => ({ run_at: inMs(-50_000) })],
  ])('a request that %s is queued immediately', async (_how, scheduleOptions) => {
    const { body } = await submit(scheduleOptions()).expect(202)
    expect(body).toMatchObject({ run_at: null, queue_position: expect.any(Number) })
    expect(await waitsNow(body.hash)).toBe(true)
    const record = await recordOf(body.hash)
    expect(Date.parse(record.expires_at) - Date.parse(record.created_at)).toBe(TTL_MS)
    expect(record).not.toHaveProperty('run_at')
    expect(record).not.toHaveProperty('priority')
  })
})

describe('an invalid schedule', () => {
  test.each([
    ['a delay below zero', { delay: -1 }, 'delay', 'out_of_range'],
    ['a fractional delay', { delay: 0.5 }, 'delay', 'out_of_range'],
    ['a delay that is text', { delay: '60' }, 'delay', 'out_of_range'],
    ['a delay over a day', { delay: 86_401 }, 'delay', 'out_of_range'],
    ['a past time', { run_at: inMs(-61_000) }, 'run_at', 'in_the_past'],
    ['a time more than a day ahead', { run_at: inMs(86_460_000) }, 'run_at', 'too_far_ahead'],
    ['a date alone', { run_at: '2099-01-01' }, 'run_at', 'not_a_time'],
    ['a time without a zone', { run_at: '2099-01-01T10:00:00' }, 'run_at', 'not_a_time'],
    ['a day that does not exist', { run_at: '2099-02-30T10:00:00Z' }, 'run_at', 'not_a_time'],
    ['milliseconds', { run_at: Date.now() + 60_000 }, 'run_at', 'not_a_time'],
    ['a time and a delay', { run_at: inMs(60_000), delay: 60 }, 'run_at', 'not_with_delay'],
    ['a priority below 1', { priority: 0 }, 'priority', 'out_of_range'],
    ['a priority above 10', { priority: 11 }, 'priority', 'out_of_range'],
    ['a priority that is text', { priority: 'high' }, 'priority', 'out_of_range'],
  ])('an invalid schedule option is refused: %s', async (_what, scheduleOptions, field, code) => {
    const before = await redis.llen(keys.list)
    expect(await refused(scheduleOptions)).toEqual([[field, code]])
    expect(await redis.llen(keys.list)).toBe(before)
  })

  test('every invalid schedule option is reported together with every invalid field', async () => {
    const scheduleOptions = { delay: -1, run_at: 'soon', priority: 99, request_data: { mobile: '0812' } }
    expect(await refused(scheduleOptions)).toEqual([
      ['mobile', 'mobile_invalid'],
      ['national_code', 'required'],
      ['delay', 'out_of_range'],
      ['run_at', 'not_a_time'],
      ['priority', 'out_of_range'],
    ])
  })

  test('schedule options beyond the configured limits are refused with the limits named', async () => {
    expect(await reasonFor({ delay: 601 }, strict.api)).toMatch(/\b0\b.*\b600\b/)
    expect(await reasonFor({ run_at: inMs(660_000) }, strict.api)).toMatch(/\b600\b/)
    expect(await reasonFor({ priority: 3 }, strict.api)).toMatch(/\b4\b.*\b10\b/)
    await submit({ delay: 600, priority: 4 }, strict.api).expect(202)
  })
})

describe('a priority', () => {
  test("a submitted priority may exceed the services' own only when the settings allow it", async () => {
    const usual = await useServer(testRedis)
    expect(await reasonFor({ priority: 4 }, usual.api)).toMatch(/\b5\b.*\b10\b/)
    await submit({ priority: 5 }, usual.api).expect(202)
  })

  test('a request with a higher priority is queued before earlier ones with a lower priority', async () => {
    const [late, soon] = [(await submit({ priority: 10 })).body, (await submit({ priority: 1 })).body]
    const usual = (await submit()).body
    const placeOf = async ({ status_url }: { status_url: string }): Promise<number> =>
      (await api.get(status_url)).body.queue_position
    const places = await Promise.all([soon, usual, late].map(placeOf))
    expect(places).toEqual([...places].sort((a, b) => a - b))
    expect(places[0]).toBe(1)
    expect((await recordOf(soon.hash)).priority).toBe(1)
  })

  test('the priority of a request is in no public view', async () => {
    const { body } = await submit({ priority: 2 })
    expect(body).not.toHaveProperty('priority')
  })
})
