import { load } from 'cheerio'
import { describe, expect, test } from 'vitest'
import type { Command } from '../../core/domain/command.ts'
import { shortReference } from '../../core/domain/short-reference.ts'
import { keys } from '../helpers/keys.ts'
import { aHash, progressTo, REQUIRE_OTP, START, TTL_SECONDS } from '../helpers/record.ts'
import { useRedis } from '../helpers/redis.ts'
import { useServer } from '../helpers/server.ts'
import { at, openBrowser, textOf } from './page-browser.ts'

const testRedis = await useRedis()
const redis = await testRedis.connections.connect('patient')
const { address, given } = await useServer(testRedis)
const browser = openBrowser(address)

const recordOf = async (hash: string) => JSON.parse((await redis.get(keys.record(hash))) ?? 'null')
const complete = (result: unknown): Command => ({ type: 'complete', attempt: 1, result })
const fail = (code: string, message: string, retryable = false): Command => ({
  type: 'fail',
  attempt: 1,
  error: { code, message, retryable },
})
const CANCEL: Command = { type: 'cancel', by: 'user' }
const CREDIT = 'credit-score-rating'
/** The outcome page of a credit score request. */
const outcomeOf = async (...changes: Command[]) => {
  const hash = await given(changes, { service_slug: CREDIT })
  return { hash, $: await browser.open(at('result', hash, CREDIT)) }
}

describe('cancelling', () => {
  test('the cancel page asks for confirmation, links back and changes nothing by itself', async () => {
    const hash = await given([START, progressTo(40)])
    const before = await recordOf(hash)
    const progress = await browser.open(at('progress', hash))
    expect(progress(`main .actions a[href="${at('cancel', hash)}"]`)).toHaveLength(1)
    const $ = await browser.open(at('cancel', hash))
    expect(textOf($, 'h1')).toBe('Cancel this request?')
    expect(textOf($, `main a[href="${at('progress', hash)}"]`)).toBe('No, keep going')
    expect($('main form').attr()).toEqual({ method: 'post', action: at('cancel', hash) })
    await browser.head(at('cancel', hash)).expect(200)
    expect(await recordOf(hash)).toEqual(before)
  })

  test.each([
    ['waits', []],
    ['runs', [START, progressTo(40)]],
    ['awaits a code', [START, REQUIRE_OTP]],
  ] as [string, Command[]][])(
    'cancelling a request that %s ends it and redirects to the outcome',
    async (_state, changes) => {
      const hash = await given(changes)
      await browser.post(at('cancel', hash)).expect(303).expect('Location', at('result', hash))
      expect(await recordOf(hash)).toMatchObject({ status: 'cancelled', cancelled_by: 'user' })
      const $ = await browser.open(at('result', hash))
      expect(textOf($, 'h1')).toBe('Cancelled')
      expect(textOf($, '.lead')).toMatch(/stopped before it had finished/)
    },
  )

  test('cancelling an ended request redirects to its outcome and changes nothing', async () => {
    for (const changes of [[START, complete({ score: 1 })], [START, fail('x', 'y')], [CANCEL]]) {
      const hash = await given(changes)
      const before = await recordOf(hash)
      await browser.get(at('cancel', hash)).expect(303).expect('Location', at('result', hash))
      await browser.post(at('cancel', hash)).expect(303).expect('Location', at('result', hash))
      expect(await recordOf(hash)).toEqual(before)
    }
  })

  test('ten concurrent cancels end a request once and all redirect to the outcome', async () => {
    const hash = await given([START])
    const answers = await Promise.all(Array.from({ length: 10 }, () => browser.post(at('cancel', hash))))
    expect(new Set(answers.map((res) => `${res.status} ${res.headers.location}`))).toEqual(
      new Set([`303 ${at('result', hash)}`]),
    )
    expect((await recordOf(hash)).version).toBe(3)
  })
})

describe('the outcome', () => {
  test('the outcome of a completed request shows its result, download and reference', async () => {
    const result = { credit_score: 712, portal: '<b>Bold & Co</b>', loans: [{ bank: 'ملی', open: true }] }
    const { $, hash } = await outcomeOf(START, progressTo(40), complete(result))
    expect($('title').text()).toBe('Done · Credit score · Online services')
    expect(textOf($, 'h1')).toBe('Your result is ready')
    expect(textOf($, '.panel .facts')).toBe('Credit score 712 Portal <b>Bold & Co</b>')
    expect(textOf($, '.panel th')).toBe('BankOpen')
    expect(textOf($, '#reference')).toBe(shortReference(hash))
    const { expires_at } = await recordOf(hash)
    expect($(`time[datetime="${expires_at}"]`).length).toBeGreaterThan(0)
    const download = await browser.get(String($('a[download$=json]').attr('href'))).expect(200)
    expect(download.body).toEqual(result)
    expect($(`main a[href="/services/${CREDIT}"]`).text()).toBe('New request')
  })

  test("the outcome of a failed request uses the text of its code, and puts the bot's own words into the details", async () => {
    const known = await outcomeOf(START, fail('bot_unavailable', 'ECONNREFUSED', true))
    expect(known.$('title').text()).toBe('Failed · Credit score · Online services')
    expect(textOf(known.$, 'h1')).toBe('This did not work')
    expect(textOf(known.$, '.lead')).toBe('The service could not be reached.')
    expect(textOf(known.$, 'main')).toContain('The problem may be temporary. You can try again now.')
    expect(textOf(known.$, 'details')).toContain('ECONNREFUSED')
    expect(textOf(known.$, `main a[href="/services/${CREDIT}?again=${known.hash}"]`)).toBe('Try again')

    const message = 'The portal knows nobody <script>alert(1)</script>'
    const { $ } = await outcomeOf(START, fail('no_such_person', message))
    expect(textOf($, '.lead')).toBe('The request ended without a result.')
    expect(textOf($, 'details')).toContain(message)
    expect(textOf($, 'main')).toContain('Please check what you typed and try again.')
  })

  test.each([
    ['timed_out', true, 'The problem may be temporary. You can try again now.'],
    ['of_a_bot', true, 'The problem may be temporary. You can try again now.'],
    [
      'bot_bad_answer',
      false,
      'The problem is on our side; nothing you typed was wrong. Please try again later.',
    ],
    ['otp_expired', false, 'You can try again. Please keep your phone at hand for the code.'],
    ['otp_attempts_exhausted', true, 'You can try again. Please keep your phone at hand for the code.'],
    ['of_a_bot', false, 'Please check what you typed and try again. If it ends the same way, '],
    ['toString', false, 'Please check what you typed and try again. If it ends the same way, '],
  ])(
    'the outcome of a request that failed with %s (retryable: %s) says what to do next',
    async (code, retryable, words) => {
      const { $ } = await outcomeOf(START, fail(code, 'y', retryable))
      expect(textOf($, '.lead + p')).toContain(words)
    },
  )

  test('the outcome warns of its deletion from two minutes before it', async () => {
    for (const [secondsLeft, hidden] of [
      [119, false],
      [125, true],
    ] as const) {
      const now = Date.now() - (TTL_SECONDS - secondsLeft) * 1000
      for (const [page, changes] of [
        ['result', [CANCEL]],
        ['progress', [START]],
      ] as const) {
        const $ = await browser.open(at(page, await given(changes, { now })))
        expect([secondsLeft, page, $('[data-live=expiring]').is('[hidden]')]).toEqual([
          secondsLeft,
          page,
          hidden,
        ])
        expect(textOf($, '[data-live=expiring]')).toBe('This page is deleted in less than 2 minutes.')
      }
    }
  })

  test('the outcome of a cancelled request says at which step it stopped', async () => {
    const { $ } = await outcomeOf(
      START,
      { type: 'progress', attempt: 1, progress: 20, step: 'first' },
      CANCEL,
    )
    expect(textOf($, '.step-times tbody tr:last-child')).toBe('Firststopped here')
    expect($('.failed-here')).toHaveLength(0)
  })

  test('the outcome of a cancelled request offers to start again', async () => {
    const { $, hash } = await outcomeOf(CANCEL)
    expect($('title').text()).toBe('Cancelled · Credit score · Online services')
    expect(textOf($, `main a[href="/services/${CREDIT}?again=${hash}"]`)).toBe('Start again')
    expect($('a[download], details')).toHaveLength(0)
  })

  test('the outcome of a request of an unknown service links to the list of services', async () => {
    const $ = await browser.open(at('result', await given([CANCEL])))
    expect(textOf($, '.eyebrow')).toBe('Test service')
    expect($('main a[href="/"]')).toHaveLength(1)
  })
})

describe('a missing request', () => {
  const expired = () => aHash(Date.now() - TTL_SECONDS * 1000)
  const everyCall = (hash: string) => [
    ...['progress', 'otp', 'result', 'cancel', 'resend-otp'].map((page) =>
      browser.get(at(page, hash, CREDIT)),
    ),
    ...['otp', 'cancel', 'resend-otp'].map((page) => browser.post(at(page, hash, CREDIT), { otp: '123456' })),
  ]

  test('each page of an expired request is 410, says that it was deleted and offers a new one', async () => {
    for (const call of everyCall(expired())) {
      const { text, headers } = await call.expect(410).expect('Content-Type', /^text\/html/)
      const $ = load(text)
      expect(textOf($, 'h1')).toBe('This request has been deleted')
      expect(textOf($, `main a[href="/services/${CREDIT}"]`)).toBe('Start a new request')
      expect(headers).toMatchObject({ 'cache-control': 'no-store', 'x-robots-tag': 'noindex, nofollow' })
    }
  })

  test('each page of an unknown request is a 404 page', async () => {
    for (const hash of [aHash(), 'req_short', 'local_requests_list', '%2e%2e', `req_${'a'.repeat(65)}`]) {
      for (const call of everyCall(hash)) {
        const { text, headers } = await call.expect(404).expect('Content-Type', /^text\/html/)
        expect(textOf(load(text), 'h1')).toBe('There is no such request')
        expect(headers).toMatchObject({ 'cache-control': 'no-store', 'x-robots-tag': 'noindex, nofollow' })
      }
    }
  })
})
