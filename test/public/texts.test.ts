import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { IntlMessageFormat } from 'intl-messageformat'
import { expect, test } from 'vitest'
import { commonMessages } from '../../core/domain/common-messages.ts'
import { ERRORS } from '../../core/domain/errors.ts'
import { STATUSES } from '../../core/domain/record.ts'
import { createConsoleTexts } from '../../core/i18n/console-texts.ts'
import { en, type TextKey } from '../../core/i18n/en.ts'
import { type ConsoleKey, enConsole } from '../../core/i18n/en-console.ts'
import { faConsole } from '../../core/i18n/fa-console.ts'
import { createFormatter } from '../../core/i18n/formatter.ts'
import { BUILT_IN, createTexts, isTextKey } from '../../core/i18n/index.ts'
import {
  formatAge,
  formatBotSeen,
  formatDuration,
  formatRemaining,
  formatUntil,
  roundCountdown,
} from '../../core/presentation/format-duration.ts'

const root = join(import.meta.dirname, '../..')
const { t } = createTexts('en')

const read = (folders: string[]): string =>
  folders
    .flatMap((folder) =>
      readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).map((file) =>
        join(root, folder, file),
      ),
    )
    .filter(
      (file) =>
        /\.(ts|eta)$/.test(file) && !/i18n\/(en|fa)(-console)?\.ts$/.test(file) && !file.includes('/dist/'),
    )
    .map((file) => readFileSync(file, 'utf8'))
    .join('\n')

/** Code and templates that use texts, without the catalogue itself. */
const sources = read(['core/i18n', 'core/presentation', 'core/domain', 'core/catalog', 'server', 'public'])

/** Keys that code composes from codes and states. */
const DERIVED: string[] = [
  ...Object.keys(ERRORS).flatMap((code) => [`error.${code}`, `problem_text.${code}`]),
  ...STATUSES.flatMap((status) => [`live.status.${status}`, `live.title.${status}`]),
  ...['waiting', 'current', 'done'].map((state) => `live.step.${state}`),
  ...['live', 'polling'].map((state) => `live.connection.${state}`),
  ...['reconnecting', 'degraded', 'offline'].map((state) => `live.as_of.${state}`),
  ...['code', 'text', 'image'].map((kind) => `live.resends_left.${kind}`),
  ...['user', 'operator', 'deadline', 'superseded', 'unknown'].map(
    (by) => `live.timeline.cancelled_by.${by}`,
  ),
  ...Object.keys(en).filter((key) => /^(field_error|message)\./.test(key)),
]

test('every error code has a title', () => {
  for (const code of Object.keys(ERRORS)) expect(en, code).toHaveProperty([`error.${code}`])
})

test('every code that a field can be refused with has a text', () => {
  const readCatalog = (file: string) => readFileSync(join(root, 'core/catalog', file), 'utf8')
  const values = readCatalog('field-value.ts') + readCatalog('request-data.ts')
  const codes = [
    ...readCatalog('fields.ts').matchAll(
      /(?:, |error: |message: |_invalid\(|email\()'([a-z]+(?:_[a-z]+)+)'/g,
    ),
    ...readCatalog('field-number.ts').matchAll(/'(number_[a-z]+)'/g),
    ...values.matchAll(/(?:code: |\?\? )'([a-z_]+)'/g),
    ...values.matchAll(/[?:] '([a-z]+_than)'/g),
  ].map((match) => match[1]!)
  expect(codes).toEqual(
    expect.arrayContaining([
      'mobile_invalid', 'email_invalid', 'date_invalid', 'iban_check_digits', 'number_digits', 'not_text', 'choice_invalid',
      'earlier_than', 'more_than', 'shorter_than', 'pattern', 'required', 'unknown_field', 'invalid',
    ]), // biome-ignore format: a list
  )
  for (const code of codes) expect(en, code).toHaveProperty([`field_error.${code}`])
})

test('the text of a field error names the field, unless it is for programs', () => {
  for (const key of Object.keys(en))
    if (key.startsWith('field_error.') && en[key as TextKey] !== '{reason}')
      expect(t(key as TextKey, { ...sampleParams(en[key as TextKey]), label: 'Mobile number' })).toMatch(
        /Mobile number/,
      )
})

test('every key that code or a template names is in the catalogue', () => {
  const named = [...sources.matchAll(/\b(?:t|fill)\(\s*'([a-z_]+(?:\.[a-z_]+)+)'/g)].map((match) => match[1]!)
  expect(named.length).toBeGreaterThan(60)
  expect(named.filter((key) => !isTextKey(key) && !Object.hasOwn(enConsole, key))).toEqual([])
})

test('the catalogue has no unused text', () => {
  const derived = new Set(DERIVED)
  const unused = Object.keys(en).filter((key) => !derived.has(key) && !sources.includes(`'${key}'`))
  expect(unused).toEqual([])
})

/** Of the console, by the place in code that composes them. */
const DERIVED_OF_CONSOLE =
  /^console\.(?:now|requests|failed|queues|audit\.|served\.|check\.|fault\.|redis\.|asks\.|cancelled_by\.|refused\.|state\.)/

test('the console has no unused text', () => {
  const unused = Object.keys(enConsole).filter(
    (key) => !DERIVED_OF_CONSOLE.test(key) && !sources.includes(`'${key}'`),
  )
  expect(unused).toEqual([])
})

test('each Persian text of the console has the parameters of the English one, and Persian typography', () => {
  const keys = Object.keys(enConsole) as ConsoleKey[]
  expect(Object.keys(faConsole).sort()).toEqual([...keys].sort())
  const { t } = createConsoleTexts('fa')
  for (const key of keys) {
    const params = sampleParams(faConsole[key])
    expect(Object.keys(params).sort(), key).toEqual(Object.keys(sampleParams(enConsole[key])).sort())
    expectPersianTypography(t(key, params), key)
  }
})

test('every composed text belongs to an existing code or state', () => {
  const prefixes = /^(error|problem_text|live\.status|live\.title|live\.step|live\.connection)\./
  const extra = new Set([
    ...DERIVED,
    'live.status.awaiting',
    'live.status.checking_answer',
    'live.status.checking_code',
    'live.status.code_expired',
    'live.status.repeating',
    'live.status.retrying',
    'live.status.scheduled',
    'live.status.silent',
    'live.title.running',
    'live.step.again',
    'live.step.done_in',
    'live.step.yours',
    // Announced.
    'live.connection.degraded',
    'live.status.answer_required',
    'live.title.answer_required',
  ])
  expect(Object.keys(en).filter((key) => prefixes.test(key) && !extra.has(key))).toEqual([])
})

test('a text that the page of another release lacks is empty', () => {
  const texts: Record<string, string> = {}
  expect(createFormatter('en', texts)('live.new_text', { count: 1 })).toBe('')
})

test('every text is a well-formed message', () => {
  const params = new Proxy(
    {},
    { get: () => 1, has: () => true, getOwnPropertyDescriptor: () => ({ configurable: true, value: 1 }) },
  )
  for (const locale of Object.keys(BUILT_IN))
    for (const key of Object.keys(en) as TextKey[])
      expect(() => createTexts(locale).t(key, params), `${locale} ${key}`).not.toThrow()
})

const others = Object.keys(BUILT_IN).filter((locale) => locale !== 'en')

test.each(others)('the %s catalogue has exactly the keys of the English one', (locale) => {
  expect(Object.keys(BUILT_IN[locale as keyof typeof BUILT_IN].catalogue).sort()).toEqual(
    Object.keys(en).sort(),
  )
})

/** A node of the AST of an ICU message. */
interface Piece {
  /** 0 text, 1 plain parameter, 2 number, 6 plural, 7 its "#". */
  type: number
  value: string
  options?: Record<string, { value: Piece[] }>
}

/** Valid values for the parameters of a message, by name, including those inside of a plural. */
function sampleParams(message: string): Record<string, string | number> {
  const params: Record<string, string | number> = {}
  const collect = (pieces: Piece[]): void => {
    for (const { type, value, options = {} } of pieces) {
      if (type === 1) params[value] ??= 'ـ'
      else if (type !== 0 && type !== 7) params[value] = 1234
      for (const option of Object.values(options)) collect(option.value)
    }
  }
  const ast = new IntlMessageFormat(message, 'en', undefined, { ignoreTag: true }).getAst()
  collect(ast as Piece[])
  return params
}

test.each(others)('each text of the %s catalogue has the parameters of the English one', (locale) => {
  const { catalogue } = BUILT_IN[locale as keyof typeof BUILT_IN]
  for (const key of Object.keys(en) as TextKey[])
    expect(Object.keys(sampleParams(catalogue[key])).sort(), key).toEqual(
      Object.keys(sampleParams(en[key])).sort(),
    )
})

function expectPersianTypography(text: string, key: string): void {
  expect(text, key).not.toMatch(/[0-9٠-٩]/)
  expect(text, key).not.toMatch(/[كي,;?"]/)
  // A zero-width non-joiner keeps "می" and "ها" with their word on one line.
  expect(text, key).not.toMatch(/(?:^|\s)ن?می\s|\sها(?:ی|\s|$)/)
}

test('a Persian text has Persian digits, letters and punctuation', () => {
  const fa = createTexts('fa')
  expect(fa).toMatchObject({ locale: 'fa', dir: 'rtl' })
  for (const key of Object.keys(en) as TextKey[])
    expectPersianTypography(fa.t(key, sampleParams(BUILT_IN.fa.catalogue[key])), key)
})

test('the common messages are exactly those that code uses', () => {
  const used = [
    ...read(['core', 'server', 'workers', 'bots/bot-server']).matchAll(
      /\b(?:commonMessage\(|message_key: )'(\w+)'/g,
    ),
  ].map((match) => match[1]!)
  const common = Object.keys(commonMessages('en'))
  expect(used.filter((key) => !common.includes(key))).toEqual([])
  const withOwnText = common.filter((key) => isTextKey(`message.${key}`))
  expect(withOwnText.filter((key) => !used.includes(key))).toEqual([])
  // An error code with a message of the same key would have two texts.
  expect(withOwnText.filter((key) => Object.hasOwn(ERRORS, key))).toEqual([])
})

test('numbers and durations are formatted in Persian', () => {
  const { t: fa } = createTexts('fa')
  expect(fa('live.percent', { value: 0.42 })).toBe('۴۲٪')
  expect([300, 70, 12].map((seconds) => formatRemaining(fa, seconds))).toEqual([
    'حدود ۵ دقیقه',
    'حدود یک دقیقه',
    'کمتر از یک دقیقه',
  ])
  expect([12, 120, 95, 10_800, 5400, 180_000].map((seconds) => formatDuration(fa, seconds))).toEqual([
    '۱۲ ثانیه',
    '۲ دقیقه',
    '۱ دقیقه و ۳۵ ثانیه',
    '۳ ساعت',
    '۱ ساعت و ۳۰ دقیقه',
    '۲ روز و ۲ ساعت',
  ])
})

test('the remaining time is formatted in rounded units', () => {
  expect([300, 119, 90, 60, 59, 1, 0].map((seconds) => formatRemaining(t, seconds))).toEqual([
    'about 5 minutes',
    'about 2 minutes',
    'about 2 minutes',
    'about a minute',
    'less than a minute',
    'less than a minute',
    'taking longer than usual',
  ])
})

test('the age of the last update says after a minute that there was none', () => {
  expect([3, 25, 61, 130].map((seconds) => formatAge(t, seconds))).toEqual([
    'updated just now',
    'last update 20 seconds ago',
    'No update for 1 minute, still waiting',
    'No update for 2 minutes, still waiting',
  ])
})

test('durations and countdowns are rounded', () => {
  expect([0.4, 12, 120, 1800, 95].map((seconds) => formatDuration(t, seconds))).toEqual([
    '0 s',
    '12 s',
    '2 minutes',
    '30 minutes',
    '1 min 35 s',
  ])
  expect([3600, 10_800, 5432, 86_399, 86_400, 93_600, 180_000].map((s) => formatDuration(t, s))).toEqual([
    '1 hour',
    '3 hours',
    '1 h 31 min',
    '1 day',
    '1 day',
    '1 day 2 hours',
    '2 days 2 hours',
  ])
  expect([50, 3000, 10_800, 172_800].map((s) => formatUntil(t, s))).toEqual([
    'in 50 s',
    'in 50 minutes',
    'in 3 hours',
    'in 2 days',
  ])
  expect([28, 20.9, 11, 10.4, 9.2, -3].map(roundCountdown)).toEqual([30, 20, 15, 10, 10, -3])
})

test('the sign of life of a bot is in steps of five seconds, and says nothing after a minute', () => {
  expect([0, 4.9, 5, 9, 59].map((seconds) => formatBotSeen(t, seconds))).toEqual([
    'heard from just now',
    'heard from just now',
    'heard from 5 s ago',
    'heard from 5 s ago',
    'heard from 55 s ago',
  ])
  expect(formatBotSeen(t, 60)).toBeNull()
})
