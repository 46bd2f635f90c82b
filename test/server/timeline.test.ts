import { load } from 'cheerio'
import { describe, expect, test } from 'vitest'
import type { Command } from '../../core/domain/command.ts'
import { shortReference } from '../../core/domain/short-reference.ts'
import { keys } from '../helpers/keys.ts'
import { aHash, PRIVATE, progressTo, REQUIRE_OTP, START } from '../helpers/record.ts'
import { useRedis } from '../helpers/redis.ts'
import { useServer } from '../helpers/server.ts'
import { creditScoreRating } from '../helpers/services.ts'
import { at, openBrowser, textOf } from './page-browser.ts'

const redis = await useRedis()
const client = await redis.connections.connect('patient')
const { api, address, given, apply } = await useServer(redis, {
  settings: { CONTACT: 'mailto:help@example.com' },
})
const browser = openBrowser(address)
const SLUG = creditScoreRating.slug

const step = (id: string, message: string, attempt = 1): Command =>
  ({ ...progressTo(20, message), step: id, attempt }) as Command
const RETRY: Command = {
  type: 'retry',
  attempt: 1,
  nextRetryAt: Date.now(),
  error: { code: 'bot_unavailable', message: 'ECONNREFUSED 10.0.0.1', retryable: true },
}
const FAIL: Command = {
  type: 'fail',
  attempt: 2,
  error: { code: 'portal_closed', message: '<b>HTTP 418</b>', retryable: true },
}

/** A request of the credit score after these changes, each written by itself. */
async function requestAfter(...commands: Command[]): Promise<string> {
  const hash = await given([], { service: creditScoreRating })
  for (const command of commands) await apply(hash, command)
  return hash
}
const retried = (...then: Command[]) =>
  requestAfter(START, step('captcha_solving', 'Solving'), RETRY, { type: 'start', attempt: 2 }, ...then)
const failed = () => retried(FAIL)

describe('GET /api/local-requests/{hash}/timeline', () => {
  test('the timeline has what viewers saw, and nothing private', async () => {
    const hash = await requestAfter(START, step('captcha_solving', 'Solving'), REQUIRE_OTP, {
      type: 'submit_otp',
      otp: '918273',
    })
    const { body, text, headers } = await api.get(`/api/local-requests/${hash}/timeline`).expect(200)
    expect(headers['cache-control']).toBe('no-store')
    expect(body.entries).toMatchObject([
      { status: 'pending', attempt: 0, message_key: 'received' },
      { status: 'processing', attempt: 1, message: null },
      { step: 'captcha_solving', message: 'Solving' },
      { status: 'otp_required', asked: 'code' },
      { status: 'processing', message_key: 'code_received' },
    ])
    for (const secret of [...Object.values(PRIVATE), '918273']) expect(text).not.toContain(secret)
  })

  test('the timeline of a missing request is 404, and its methods are GET and HEAD', async () => {
    await api.get(`/api/local-requests/${aHash()}/timeline`).expect(404)
    await api.post(`/api/local-requests/${aHash()}/timeline`).expect(405)
  })
})

describe('the page', () => {
  test('the page of a running request has its timeline folded, and the last entry for its script', async () => {
    const hash = await requestAfter(START, step('captcha_solving', 'Solving <b>'))
    const { text } = await browser.get(at('progress', hash, SLUG)).expect(200)
    const $ = load(text)
    expect($('details.timeline-box').attr('open')).toBeUndefined()
    expect($('details .timeline-entry').length).toBe(3)
    expect(textOf($, '.timeline-entry:last-child .timeline-content')).toBe('Solving <b>')
    expect(JSON.parse($('#page-data').text()).lastEntry).toMatchObject({ message: 'Solving <b>' })
  })

  test('a failed page marks its step, lists each attempt, and gives a reference and a contact', async () => {
    const hash = await failed()
    const $ = await browser.open(at('result', hash, SLUG))
    expect(textOf($, '.lead')).toBe('The request ended without a result.')
    expect(textOf($, '.lead + p')).toBe('The work stopped at the step “Solve the captcha”, after 2 attempts.')
    expect(textOf($, '.lead + p + p')).toBe('Why attempt 1 did not work: The service could not be reached.')
    expect(textOf($, '.failed-here')).toBe('Solve the captchastopped here')
    expect(textOf($, 'tbody tr:last-child')).toMatch(/not reached$/)
    expect($('section .timeline [data-kind=failed]')).toHaveLength(2)
    expect(textOf($, '.timeline')).toMatch(
      /Attempt 1 did not work. The service could not be reached.*Starting over \(2 of 3\)/,
    )
    expect(textOf($, '#reference')).toBe(shortReference(hash))
    expect($('[data-copies=reference]')).toHaveLength(1)
    expect($('.help a').attr('href')).toBe('mailto:help@example.com')
    expect(textOf($, '.help a')).toBe('help@example.com')
    // The bot's words, with their origin, only in the details.
    const words = $('.own-words').toArray()
    expect(words.map((word) => $(word).text())).toEqual([
      'Attempt 1: ECONNREFUSED 10.0.0.1',
      'Attempt 2: <b>HTTP 418</b>',
    ])
    expect(textOf($, '.technical')).toContain('In the words of the service')
    $('.technical, script').remove()
    expect(textOf($, 'main')).not.toMatch(/ECONNREFUSED|HTTP 418/)
  })

  test("the bot's words of all attempts are listed if one of them is not a text of the catalogue", async () => {
    const message = 'The service was too busy.'
    const error = { code: 'bot_busy', message, retryable: true }
    const mixed = await retried({ ...FAIL, error } as Command)
    const words = async (hash: string): Promise<string> =>
      textOf(await browser.open(at('result', hash, SLUG)), '.own-words')
    expect(await words(mixed)).toBe(`Attempt 1: ECONNREFUSED 10.0.0.1Attempt 2: ${message}`)
    const known = await requestAfter(START, { ...FAIL, attempt: 1, error } as Command)
    expect(await words(known)).toBe('')
  })

  test('the page of a second attempt says why it starts over', async () => {
    const hash = await retried()
    const $ = await browser.open(at('progress', hash, SLUG))
    const reason = 'The service could not be reached.'
    expect(textOf($, '[data-live=message]')).toBe('Starting over (2 of 3).')
    expect(textOf($, '[data-live=age]')).toBe(reason)
    expect(JSON.parse($('#page-data').text())).toMatchObject({ reason })
    await apply(hash, step('captcha_solving', 'Solving', 2))
    expect(textOf(await browser.open(at('progress', hash, SLUG)), '[data-live=message]')).toBe('Solving')
  })

  test('the page of a third attempt does not repeat the reason of the first one', async () => {
    const unknown = { code: 'portal_closed', message: 'HTTP 418', retryable: true }
    const again: Command = { type: 'retry', attempt: 2, nextRetryAt: Date.now(), error: unknown }
    const hash = await retried(again, { type: 'start', attempt: 3 })
    const $ = await browser.open(at('progress', hash, SLUG))
    expect(textOf($, '[data-live=message]')).toBe('Starting over (3 of 3).')
    expect(textOf($, '[data-live=age]')).toBe('updated just now')
  })

  test('the zone of the times stands once, with the first of them', async () => {
    const $ = await browser.open(at('result', await failed(), SLUG))
    const times = $('.timeline time')
      .toArray()
      .map((time) => $(time).text())
    expect(times.length).toBeGreaterThan(3)
    expect(times.map((time) => time.endsWith(' UTC'))).toEqual(times.map((_time, i) => i === 0))
  })

  test('a page without its timeline is right in everything else', async () => {
    const hash = await failed()
    await client.set(keys.timeline(hash), 'another program put this here')
    const $ = await browser.open(at('result', hash, SLUG))
    expect($('.timeline-entry')).toHaveLength(1)
    expect(textOf($, 'h1')).toBe('This did not work')
  })
})
