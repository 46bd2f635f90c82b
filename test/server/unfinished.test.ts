/** Limits of unfinished requests: per submitter, per queue, in total. */
import { describe, expect, it } from 'vitest'
import type { Command } from '../../core/domain/command.ts'
import { createKeys } from '../../core/redis/keys.ts'
import { eventually } from '../helpers/eventually.ts'
import { keys } from '../helpers/keys.ts'
import { START } from '../helpers/record.ts'
import { useRedis } from '../helpers/redis.ts'
import { CREDIT_SCORE, collectLog, type TestServer, useServer } from '../helpers/server.ts'
import { openBrowser } from './page-browser.ts'

const SUBMIT = '/api/local-requests'
const FORM = '/services/credit-score-rating'
const COMPLETE: Command = { type: 'complete', attempt: 1, result: {} }
const LINK_CHECK = { service_slug: 'link-check', request_data: { url: 'https://example.com' } }

const testRedis = await useRedis()
const redis = await testRedis.connections.connect('patient')
const perSubmitter = { settings: { MAX_UNFINISHED_PER_SUBMITTER: '3' } }
const server = await useServer(testRedis, perSubmitter)

let addresses = 0
/** Headers of an unused address. */
const newAddress = () => ({ 'X-Forwarded-For': `192.0.2.${++addresses}` })
type Headers = Record<string, string>
const submit = (headers: Headers, body: object = CREDIT_SCORE, to: TestServer = server) =>
  to.api.post(SUBMIT).set(headers).send(body)
async function fill(headers: Headers, to: TestServer = server): Promise<string[]> {
  const hashes: string[] = []
  for (let i = 0; i < 3; i++) hashes.push((await submit(headers, CREDIT_SCORE, to).expect(202)).body.hash)
  return hashes
}

describe('the limit of unfinished requests per submitter', () => {
  it('a submitter at the limit of unfinished requests is refused with Retry-After', async () => {
    const who = newAddress()
    await fill(who)
    const { body, headers } = await submit(who).expect(429)
    expect(body).toMatchObject({ code: 'too_many_unfinished', retryable: true })
    expect(Number(headers['retry-after'])).toBeGreaterThan(0)
    await submit(newAddress()).expect(202)
  })

  it('a request refused over the unfinished limit leaves nothing in Redis', async () => {
    const who = newAddress()
    await fill(who)
    const before = await redis.dbsize()
    const reminders = await redis.zcard(keys.deadlines)
    await submit(who).expect(429)
    expect(await redis.dbsize()).toBe(before)
    expect(await redis.zcard(keys.deadlines)).toBe(reminders)
  })

  it('the unfinished limit holds across servers and restarts', async () => {
    const who = newAddress()
    await fill(who)
    const other = await useServer(testRedis, perSubmitter)
    await submit(who, CREDIT_SCORE, other).expect(429)
  })

  it('scheduled requests count towards the unfinished limit', async () => {
    const who = newAddress()
    for (let i = 0; i < 3; i++) await submit(who, { ...CREDIT_SCORE, delay: 3600 }).expect(202)
    await submit(who, { ...CREDIT_SCORE, delay: 3600 }).expect(429)
  })

  it('the unfinished limit counts per address and per session', async () => {
    const [here, there] = [newAddress(), newAddress()]
    const cookie = (i: number) => ({ Cookie: server.sessionCookie(`session-of-number-${i}--`.slice(0, 21)) })
    for (let i = 0; i < 3; i++) await submit({ ...here, ...cookie(i) }, LINK_CHECK).expect(202)
    await submit({ ...here, ...cookie(4) }, LINK_CHECK).expect(429)
    for (let i = 0; i < 2; i++) await submit({ ...there, ...cookie(1) }, LINK_CHECK).expect(202)
    await submit({ ...newAddress(), ...cookie(1) }, LINK_CHECK).expect(429)
  })

  it('concurrent submits and batches do not exceed the unfinished limit', async () => {
    const who = newAddress()
    const answers = await Promise.all(Array.from({ length: 20 }, () => submit(who)))
    expect(answers.filter(({ status }) => status === 202)).toHaveLength(3)
    const { body } = await submit(newAddress(), { requests: Array(20).fill(CREDIT_SCORE) }).expect(202)
    expect(body).toMatchObject({ accepted: 3, refused: 17 })
    expect(body.requests[19].problem).toMatchObject({ status: 429, code: 'too_many_unfinished' })
  })

  it('a repeated submit at the unfinished limit replays its first response', async () => {
    const who = { ...newAddress(), 'Idempotency-Key': 'the-first' }
    const first = await submit(who).expect(202)
    for (let i = 0; i < 2; i++) await submit({ ...who, 'Idempotency-Key': `key-${i}` }).expect(202)
    expect((await submit(who).expect(202)).body).toEqual(first.body)
  })

  it.each([
    ['it was cancelled', (hash: string) => server.apply(hash, { type: 'cancel', by: 'user' })],
    [
      'its bot completed it',
      async (hash: string) => {
        await server.apply(hash, START)
        await server.apply(hash, COMPLETE)
      },
    ],
    [
      'it failed',
      (hash: string) =>
        server.apply(hash, { type: 'fail', error: { code: 'x', message: 'X', retryable: false } }),
    ],
    [
      'another program ended it, and its status was read',
      async (hash: string) => {
        const record = JSON.parse((await redis.get(keys.record(hash))) ?? '')
        await redis.setex(
          keys.record(hash),
          60,
          JSON.stringify({ ...record, status: 'completed', result_data: {} }),
        )
        await server.api.get(`${SUBMIT}/${hash}/status`).expect(200)
      },
    ],
  ])('a submitter may submit one more once one of its requests is final: %s', async (_how, end) => {
    const who = newAddress()
    const [hash = ''] = await fill(who)
    await end(hash)
    await submit(who).expect(202)
    await submit(who).expect(429)
  })

  it('expired requests no longer count towards the unfinished limit of their submitter', async () => {
    const brief = await useServer(testRedis, { settings: { ...perSubmitter.settings, REQUEST_TTL: '1' } })
    const who = newAddress()
    await fill(who, brief)
    await eventually(async () => void (await submit(who, CREDIT_SCORE, brief).expect(202)))
    expect(await redis.zcard(keys.unfinished('queue:inquiries'))).toBeGreaterThan(0)
  })

  it.each([
    ['en', 'Too many of your requests are not finished yet', 'Please wait until some of them are done'],
    ['fa', 'تعداد درخواست‌های ناتمام شما بیش از اندازه است', 'لطفاً صبر کنید تا چند درخواست به پایان برسد'],
  ])('the form shows the unfinished limit in %s and keeps its values', async (language, title, advice) => {
    const who = newAddress()
    await fill(who)
    const browser = openBrowser(server.address, { ...who, 'Accept-Language': language })
    const { text } = await browser.refused(FORM, CREDIT_SCORE.request_data).expect(429)
    expect(text).toContain(title)
    expect(text).toContain(advice)
    expect(text).toContain(CREDIT_SCORE.request_data.mobile)
  })
})

let places = 0
/** The settings of an installation of its own in the same Redis. */
const aPlace = () => ({ KEY_PREFIX: `place-${++places}:` })

describe.each([
  ['the queue limit', { MAX_UNFINISHED_PER_QUEUE: '2' }, 202],
  ['the installation limit', { MAX_UNFINISHED: '2' }, 503],
] as const)('%s of unfinished requests', (_what, settings, inAnotherQueue) => {
  it('a full queue or installation refuses every submitter until a request ends', async () => {
    const { log, lines } = collectLog('info')
    const full = await useServer(testRedis, { settings: { ...settings, ...aPlace() }, log })
    const all = await Promise.all(Array.from({ length: 10 }, () => submit(newAddress(), CREDIT_SCORE, full)))
    const taken = all.filter(({ status }) => status === 202)
    expect(taken).toHaveLength(2)
    const { body, headers } = await submit(newAddress(), CREDIT_SCORE, full).expect(503)
    expect(body).toMatchObject({ code: 'queue_full', retryable: true })
    expect(headers['retry-after']).toBe('30')
    expect(lines.join('')).not.toContain('queue_full')
    await submit(newAddress(), LINK_CHECK, full).expect(inAnotherQueue)
    await full.apply(taken[0]?.body.hash, { type: 'cancel', by: 'user' })
    await eventually(async () => void (await submit(newAddress(), CREDIT_SCORE, full).expect(202)))
  })

  it('expired requests free a full queue or installation, without a worker', async () => {
    const place = aPlace()
    const { deadlines } = createKeys({ keyPrefix: place.KEY_PREFIX })
    const full = await useServer(testRedis, { settings: { ...settings, ...place, REQUEST_TTL: '4' } })
    for (let i = 0; i < 2; i++) await submit(newAddress(), CREDIT_SCORE, full).expect(202)
    await submit(newAddress(), CREDIT_SCORE, full).expect(503)
    // Makes their reminders overdue.
    const hashes = await redis.zrange(deadlines, '0', '-1')
    expect(hashes).toHaveLength(2)
    for (const hash of hashes) await redis.zadd(deadlines, Date.now() - 2000, hash)
    await eventually(async () => void (await submit(newAddress(), CREDIT_SCORE, full).expect(202)))
  })
})
