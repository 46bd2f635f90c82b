/** Localized messages, which server and browser format with the same code. */
import { describe, expect, test } from 'vitest'
import { messagesOfService } from '../../core/catalog/service-messages.ts'
import { compile } from '../../core/i18n/compile-messages.ts'
import { createTexts } from '../../core/i18n/index.ts'
import { createLocalizer } from '../../core/i18n/localize-message.ts'
import { describeRequest as describeView } from '../../core/presentation/describe-request.ts'
import { creditScoreRating } from '../helpers/services.ts'
import { progress, start, T0, viewAfter } from '../server/page-fixtures.ts'

const texts = compile({
  plain: 'این یک متن است',
  pages: '{read, number} از {found, plural, other {# صفحه}} در {host}',
  chosen: '{why, select, late {دیر} other {خراب}}',
})
/** As in the browser: serialized as JSON and parsed. */
const read = createLocalizer('fa', JSON.parse(JSON.stringify(texts)))
const pages = (message_params?: Record<string, unknown>) =>
  read({ message: 'As given', message_key: 'pages', message_params: message_params as never })

describe('a message with a key', () => {
  test('a keyed message is formatted in the language and the digits of the viewer', () => {
    expect(read({ message: 'A text', message_key: 'plain' })).toBe('این یک متن است')
    expect(pages({ read: 1234, found: 5, host: 'example.com' })).toBe('۱٬۲۳۴ از ۵ صفحه در example.com')
    expect(read({ message: '', message_key: 'chosen', message_params: { why: 'late' } })).toBe('دیر')
    expect(read({ message: '', message_key: 'chosen', message_params: { why: 'else' } })).toBe('خراب')
  })

  test.each(['unknown', '', '__proto__', 'constructor', 'toString'])(
    'a message with the unknown key %j is shown as given',
    (message_key) => {
      expect(read({ message: 'As given', message_key })).toBe('As given')
      expect(read({ message: null, message_key })).toBeNull()
    },
  )

  test.each([
    undefined,
    {},
    { read: 1, found: 2 },
    { read: 1, host: 'x' },
    { read: 'many', found: 2, host: 'x' },
    { read: 1, found: '2', host: 'x' },
    { read: Number.NaN, found: 2, host: 'x' },
    { read: 1, found: null, host: 'x' },
  ])('a keyed message with the wrong parameters %j is shown as given', (params) => {
    expect(pages(params)).toBe('As given')
  })
})

describe('a Persian page', () => {
  const { t } = createTexts('fa')
  const context = {
    t,
    read: createLocalizer('fa', JSON.parse(JSON.stringify(messagesOfService(creditScoreRating, 'fa')))),
    now: T0,
    title: '',
    stepTitles: {},
    usual: { service: 60, steps: {} },
    remainingSeconds: 60,
    earliestSeconds: null,
    pace: { total: null, typical: 60, steps: {}, queueSeconds: null },
  }
  const shown = (...changes: Parameters<typeof viewAfter>) =>
    describeView(viewAfter(...changes), context).message
  const keyedMessage = {
    message: 'The portal turned the captcha down, trying again (2 of 3)…',
    message_key: 'solving_captcha_again',
    message_params: { number: 2, total: 3 },
  }

  test('a Persian page localizes a keyed message and shows one without a key as given', () => {
    expect(shown(start, { ...progress, ...keyedMessage })).toBe(
      'درگاه کد امنیتی را نپذیرفت؛ دوباره تلاش می‌کنیم (۲ از ۳)…',
    )
    expect(shown(start, { ...progress, message: 'Plain words' })).toBe('Plain words')
  })

  test('a Persian page localizes the place of a new request and the message of a failed attempt', () => {
    expect(shown()).toBe('نفر ۳ صف هستید.')
    const error = { code: 'bot_busy', message: 'Too many people', retryable: true }
    expect(shown(start, { type: 'retry', attempt: 1, nextRetryAt: T0 + 9000, error })).toBe(
      'سرویس بیش از اندازه مشغول بود.',
    )
    // Untranslated words of a bot are left out.
    const unknown = { ...error, code: 'x' }
    expect(shown(start, { type: 'retry', attempt: 1, nextRetryAt: T0 + 9000, error: unknown })).toBe(
      'تلاش ۱ نتیجه نداد.',
    )
  })

  test('a wrong code is shown by the prompt, and not a second time', () => {
    const requireOtp = { type: 'require_otp', attempt: 1, otp: { id: 'otp-1' } } as const
    const submit = { type: 'submit_otp', otp: '483920' } as const
    expect(shown(start, requireOtp)).toBeNull()
    expect(shown(start, requireOtp, submit)).toBe('کد شما رسید؛ در حال بررسی آن هستیم…')
    expect(shown(start, requireOtp, submit, { type: 'reject_otp', attempt: 1 })).toBeNull()
  })

  test('a view without a message shows the message of a new request', () => {
    expect(
      describeView(
        { ...viewAfter(), queue_position: null, current_message: null, message_key: undefined },
        context,
      ).message,
    ).toBe('درخواست شما رسید.')
  })
})
