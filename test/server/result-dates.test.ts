/** Dates in a result are told in the language and calendar of whoever reads it. */
import { load } from 'cheerio'
import { expect, test } from 'vitest'
import type { Locale } from '../../core/i18n/index.ts'
import { complete, pages, RESULT, start, viewAfter } from './page-fixtures.ts'

/** The value of a result, as its page shows it: the `<time>` there is, and the words. */
function shown(value: unknown, locale: Locale = 'en') {
  const $ = load(pages.request({ locale, address: '/' }, viewAfter(start, complete({ value }))))
  const cell = $('.panel dd')
  // Which space stands before "PM" differs between versions of Node.
  return { words: cell.text().replace(/\s/g, ' ').trim(), ...cell.find('time').attr() }
}

test.each([
  // A day is the same day everywhere: no script may move it.
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
  // Of a place that is not named: told as it stands.
  ['2026-05-01T09:15', { words: 'May 1, 2026, 9:15 AM', datetime: '2026-05-01T09:15' }],
  ['2026-05-01T23:59:59.1234567', { words: 'May 1, 2026, 11:59 PM', datetime: '2026-05-01T23:59:59.123' }],
] as const)('%s is told as a date', (value, expected) => {
  expect(shown(value)).toEqual(expected)
})

test.each([
  ['2026-05-01', { words: '۱۱ اردیبهشت ۱۴۰۵', datetime: '2026-05-01' }],
  [
    '2026-05-01T21:30:00Z',
    {
      words: '۱۱ اردیبهشت ۱۴۰۵، ۲۱:۳۰ به وقت گرینویچ',
      datetime: '2026-05-01T21:30:00.000Z',
      'data-local': 'moment',
    },
  ],
  ['2026-05-01T09:15', { words: '۱۱ اردیبهشت ۱۴۰۵، ۹:۱۵', datetime: '2026-05-01T09:15' }],
] as const)('%s is told in the Persian calendar to who reads Persian', (value, expected) => {
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
  // Of another calendar, in the same form: nobody knows which.
  '1405-02-11',
  '1405-02-11T09:15',
  '۱۴۰۵-۰۲-۱۱',
  '0000-00-00',
])('%s stays as it is', (value) => {
  expect(shown(value)).toEqual({ words: value.trim() })
  expect(shown(value, 'fa')).toEqual({ words: value.trim() })
})

test('dates stand among the facts, in lists and in tables alike', () => {
  const $ = load(pages.request({ locale: 'fa', address: '/' }, viewAfter(start, complete(RESULT))))
  expect($('.panel > .facts time')).toHaveLength(3)
  expect($('.panel td time').first().text()).toBe('۱۰ اردیبهشت ۱۴۰۵')
  const list = load(pages.request({ locale: 'en', address: '/' }, viewAfter(start, complete(['2026-05-01']))))
  expect(list('.panel li time').text()).toBe('May 1, 2026')
})

test('amounts are told with the digits and marks of the language, below zero too', () => {
  for (const [value, en, fa] of [
    [-1250000.5, '-1,250,000.5', '\u200e−۱٬۲۵۰٬۰۰۰٫۵'],
    [0.1, '0.1', '۰٫۱'],
    [1405, '1405', '۱۴۰۵'],
  ] as const) {
    expect(shown(value).words).toBe(en)
    // The mark in front only keeps the sign where it belongs.
    expect(shown(value, 'fa').words).toBe(fa)
  }
})
