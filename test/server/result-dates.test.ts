/** Dates in a result are shown in the language and calendar of the viewer. */
import { load } from 'cheerio'
import { expect, test } from 'vitest'
import type { Locale } from '../../core/i18n/index.ts'
import { complete, pages, RESULT, start, viewAfter } from './page-fixtures.ts'

/** A result value as its page shows it: the text and the attributes of its `<time>`. */
function shown(value: unknown, locale: Locale = 'en') {
  const $ = load(pages.request({ locale, address: '/' }, viewAfter(start, complete({ value }))))
  const cell = $('.panel dd')
  // The space before "PM" differs between Node versions.
  return { words: cell.text().replace(/\s/g, ' ').trim(), ...cell.find('time').attr() }
}

test.each([
  // A date without time is the same in every time zone: no script converts it.
  ['2026-05-01', { words: 'May 1, 2026', datetime: '2026-05-01' }],
  ['2024-02-29', { words: 'Feb 29, 2024', datetime: '2024-02-29' }],
  [
    '2026-05-01T21:30:00Z',
    { words: 'May 1, 2026, 9:30 PM UTC', datetime: '2026-05-01T21:30:00.000Z', 'data-local': 'moment' },
  ],
  [
    '2026-05-01T01:00:00.123456+03:30',
    { words: 'Apr 30, 2026, 9:30 PM UTC', datetime: '2026-04-30T21:30:00.123Z', 'data-local': 'moment' },
  ],
  [
    '2026-05-01T21:30Z',
    { words: 'May 1, 2026, 9:30 PM UTC', datetime: '2026-05-01T21:30:00.000Z', 'data-local': 'moment' },
  ],
  // Without a time zone: shown unchanged.
  ['2026-05-01T09:15', { words: 'May 1, 2026, 9:15 AM', datetime: '2026-05-01T09:15' }],
  ['2026-05-01T23:59:59.1234567', { words: 'May 1, 2026, 11:59 PM', datetime: '2026-05-01T23:59:59.123' }],
] as const)('the result value %s is shown as a date', (value, expected) => {
  expect(shown(value)).toEqual(expected)
})

test.each([
  ['2026-05-01', { words: '۱۱ اردیبهشت ۱۴۰۵', datetime: '2026-05-01' }],
  [
    '2026-05-01T21:30:00Z',
    {
      words: '۱۱ اردیبهشت ۱۴۰۵ ساعت ۲۱:۳۰ به وقت گرینویچ',
      datetime: '2026-05-01T21:30:00.000Z',
      'data-local': 'moment',
    },
  ],
  ['2026-05-01T09:15', { words: '۱۱ اردیبهشت ۱۴۰۵ ساعت ۹:۱۵', datetime: '2026-05-01T09:15' }],
] as const)('the result value %s is shown in the Persian calendar on a Persian page', (value, expected) => {
  expect(shown(value, 'fa')).toEqual(expected)
})

test.each([
  '2026',
  '2026-05',
  '20260501',
  '2026-02-30',
  '2026-13-01',
  '2026-05-01T25:00:00Z',
  '2026-05-01 09:15',
  ' 2026-05-01',
  '2026-05-01 to 2026-05-02',
  '01/05/2026',
  // Dates of other calendars in the same form.
  '1405-02-11',
  '1405-02-11T09:15',
  '۱۴۰۵-۰۲-۱۱',
  '0000-00-00',
])('the result value %s is shown unchanged', (value) => {
  expect(shown(value)).toEqual({ words: value.trim() })
  expect(shown(value, 'fa')).toEqual({ words: value.trim() })
})

test('dates are shown as dates in definition lists, lists and tables', () => {
  const $ = load(pages.request({ locale: 'fa', address: '/' }, viewAfter(start, complete(RESULT))))
  expect($('.panel > .facts time')).toHaveLength(3)
  expect($('.panel td time').first().text()).toBe('۱۰ اردیبهشت ۱۴۰۵')
  const list = load(pages.request({ locale: 'en', address: '/' }, viewAfter(start, complete(['2026-05-01']))))
  expect(list('.panel li time').text()).toBe('May 1, 2026')
})

test('amounts are shown with the digits and separators of the language, negative ones too', () => {
  for (const [value, en, fa] of [
    [-1250000.5, '-1,250,000.5', '\u200e−۱٬۲۵۰٬۰۰۰٫۵'],
    [0.1, '0.1', '۰٫۱'],
    [1405, '1405', '۱۴۰۵'],
  ] as const) {
    expect(shown(value).words).toBe(en)
    // The leading mark only keeps the sign in its place.
    expect(shown(value, 'fa').words).toBe(fa)
  }
})
