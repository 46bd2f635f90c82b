/** Messages by key on the pages, in the language of the viewer: from the record to the script's data. */
import { type CheerioAPI, load } from 'cheerio'
import { describe, expect, test } from 'vitest'
import { messageBuilder } from '../../bots/bot-server/messages.ts'
import type { Command } from '../../core/domain/command.ts'
import { createPages } from '../../server/pages/index.ts'
import { definition as creditScoreDefinition } from '../helpers/services/credit-score-rating.ts'
import { catalog } from '../helpers/services.ts'
import { complete, fail, progress, start, T0, TTL, viewAfter } from './page-fixtures.ts'

const pages = createPages({ catalog, ttlSeconds: TTL, now: () => T0 + 5000 })
const messageFor = messageBuilder(creditScoreDefinition)
const ENGLISH = /[A-Za-z]{2,} [a-z]{2,}/

const page = (...changes: Command[]): CheerioAPI =>
  load(pages.request({ locale: 'fa', address: '/' }, viewAfter(...changes)))
const text = ($: CheerioAPI, selector: string) => $(selector).text().replace(/\s+/g, ' ').trim()
const dataOf = ($: CheerioAPI) => JSON.parse($('#page-data').text())
/** The visible text. */
const read = ($: CheerioAPI) => text($, 'main').replace(text($, '#page-data'), '')

describe('a Persian page', () => {
  const askForCode: Command = {
    type: 'require_otp',
    attempt: 1,
    otp: { id: 'o', length: 6, ...messageFor('code_of_digits_sent', { digits: 6, sent_to: '0912***4567' }) },
  }

  test.each<[string, Command[]]>([
    ['queued', []],
    ['running', [start, { ...progress, ...messageFor('solving_captcha') }]],
    ['awaiting a code', [start, askForCode]],
    ['between two attempts', [start, retry('bot_busy', 'Too many people')]],
    ['failed', [start, fail('timed_out', 'The service did not answer in time.')]],
    ['failed with a service message', [start, { ...fail('captcha_failed', messageFor('captcha_failed', { tries: 3 }).message), message_params: { tries: 3 } } as Command]],
    ['cancelled', [start, { type: 'cancel', by: 'user' }]],
  ])('the Persian page of a request that is %s has no English sentence', (_state, changes) => {
    expect(read(page(...changes))).not.toMatch(ENGLISH)
  }) // biome-ignore format: a table

  test("a Persian page shows a bot's message by key and passes the texts to its script", () => {
    const $ = page(start, { ...progress, ...messageFor('solving_captcha') })
    expect(text($, '[data-live=message]')).toBe('در حال عبور از کد امنیتی…')
    const { view, messages } = dataOf($)
    expect(view).toMatchObject({ current_message: 'Solving the captcha…', message_key: 'solving_captcha' })
    expect(messages).toMatchObject({ solving_captcha: 'در حال عبور از کد امنیتی…', done: 'انجام شد.' })
    expect(Array.isArray(messages.captcha_failed)).toBe(true)
  })

  test('the code prompt shows its message only when it differs from the current message', () => {
    const later = { ...progress, ...messageFor('waiting_for_right_code') }
    expect(text(page(start, askForCode), '.panel-ask bdi')).not.toContain('کدی ۶ رقمی')
    expect(text(page(start, askForCode, later), '.panel-ask')).toContain(
      'درگاه کدی ۶ رقمی به \u2066۰۹۱۲***۴۵۶۷\u2069 فرستاد.',
    )
    expect(text(page(start, askForCode, later), '[data-live=message]')).toBe(
      'آن کد درست نبود. در انتظار کد درست…',
    )
  })

  test('the page of a finished request passes no message texts to its script', () => {
    expect(dataOf(page(start, complete({ score: 1 }))).messages).toEqual({})
  })

  test.each(['nobody_knows_this', '__proto__', 'captcha_failed'])(
    'a message with an unusable key is shown as given: %s',
    (message_key) => {
      const $ = page(start, { ...progress, message: '<b>خام</b>', message_key, message_params: {} })
      expect(text($, '[data-live=message]')).toBe('<b>خام</b>')
    },
  )

  test('message parameters are escaped', () => {
    const sent_to = '<img src=x onerror=alert(1)>'
    const $ = page(start, { ...progress, ...messageFor('code_sent', { sent_to }) })
    expect(text($, '[data-live=message]')).toContain(sent_to)
    expect($('img')).toHaveLength(0)
  })
})

describe('a failure', () => {
  const login = 'درگاه اعتبارسنجی کد ملی یا شمارهٔ تلفن همراه را نپذیرفت.'

  test("a failure is shown in the service's text for its code", () => {
    const $ = page(start, fail('login_refused', messageFor('login_refused').message))
    expect(text($, '.lead')).toBe(login)
    expect(text($, '.technical')).toBe('جزئیات فنی کد خطاlogin_refused')
  })

  test("a bot's own failure message is shown in the technical details", () => {
    const $ = page(start, fail('login_refused', 'HTTP 418'))
    expect(text($, '.lead')).toBe(login)
    expect(text($, 'details')).toContain('HTTP 418')
  })

  test('the failure of another program does not show the text of an earlier message', () => {
    const { error_data } = viewAfter(start, fail('tax_office_closed', 'اداره بسته است'))
    const before = viewAfter(start, { ...progress, ...messageFor('solving_captcha') })
    const ended = { ...before, status: 'failed' as const, is_failed: true, error_data }
    const $ = load(pages.request({ locale: 'fa', address: '/' }, ended))
    expect(text($, '.lead')).toBe('درخواست بدون نتیجه پایان یافت.')
    expect(text($, '.lead + p')).toBe('کار در مرحلهٔ «عبور از کد امنیتی» متوقف شد.')
    expect(text($, 'details')).toContain('اداره بسته است')
  })

  test('an English failure does not repeat its message in the details', () => {
    const view = viewAfter(start, fail('login_refused', messageFor('login_refused').message))
    const $ = load(pages.request({ locale: 'en', address: '/' }, view))
    expect(text($, '.lead')).toBe(messageFor('login_refused').message)
    expect(text($, 'details')).not.toContain(messageFor('login_refused').message)
  })
})

function retry(code: string, message: string): Command {
  return { type: 'retry', attempt: 1, nextRetryAt: T0 + 60_000, error: { code, message, retryable: true } }
}
