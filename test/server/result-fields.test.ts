/** A result is shown as its definition says; what does not fit is shown as any other value. */
import { type CheerioAPI, load } from 'cheerio'
import { describe, expect, test } from 'vitest'
import type { ResultField } from '../../core/catalog/result-definition.ts'
import type { Locale } from '../../core/i18n/index.ts'
import {
  LARGE_JPEG,
  LARGEST_JPEG,
  MISFITS,
  PNG,
  RESULT_FIELDS,
  TYPED_RESULT,
} from '../helpers/typed-result.ts'
import { textOf } from './page-browser.ts'
import { complete, HASH, pagesWithResult, start, viewAfter } from './page-fixtures.ts'

const IMAGES = `/services/credit-score-rating/result/${HASH}/images`

/** The page of a request that was completed with this result. */
const pageOf = (
  result: unknown,
  fields: ResultField[],
  headline?: string,
  locale: Locale = 'en',
): CheerioAPI =>
  load(
    pagesWithResult({ fields, headline }).request(
      { locale, address: '/' },
      viewAfter(start, complete(result)),
    ),
  )
const one = (type: ResultField['type'], more: Partial<ResultField> = {}): ResultField => ({
  name: 'x',
  type,
  label: 'X',
  ...more,
})
/** Without invisible marks, which only keep signs in their place; the spaces of currencies differ between Node versions. */
const visible = (text: string): string =>
  text
    .replace(/[\u200e\u200f]/g, '')
    .replace(/\s+/g, ' ')
    .trim()
/** The shown value, without its label. */
function shown(value: unknown, field: ResultField, locale: Locale = 'en'): string {
  const $ = pageOf({ x: value }, [field], undefined, locale)
  $('.panel').find('h2, h3, dt').remove()
  return visible($('.panel').text())
}

describe('a value that fits', () => {
  const OPTIONS = [
    { value: 'good', label: { en: 'Good', fa: 'خوب' } },
    { value: '2', label: 'Two' },
    { value: 'true', label: 'On' },
  ]
  const RANGES = [
    { from: 0, label: { en: 'Low', fa: 'کم' }, tone: 'poor' },
    { from: 600, label: { en: 'High', fa: 'زیاد' }, tone: 'good' },
  ]
  test.each([
    ['text', {}, '2026-05-01', '2026-05-01', '2026-05-01'],
    ['text', {}, true, 'Yes', 'بله'],
    ['text', {}, 12345, '12,345', '۱۲٬۳۴۵'],
    ['number', {}, 1405, '1405', '۱۴۰۵'],
    ['number', {}, 0, '0', '۰'],
    ['number', {}, -12345.678, '-12,345.678', '−۱۲٬۳۴۵٫۶۷۸'],
    ['number', { decimals: 1 }, 1234.56, '1234.6', '۱۲۳۴٫۶'],
    ['number', { decimals: 2 }, 5, '5.00', '۵٫۰۰'],
    ['number', { unit: 'km' }, 12, '12 km', '۱۲ km'],
    ['number', { unit: { en: 'km', fa: 'کیلومتر' } }, 12, '12 km', '۱۲ کیلومتر'],
    ['number', { scale: 850 }, 712, '712 of 850', '۷۱۲ از ۸۵۰'],
    [
      'number',
      { scale: 5, decimals: 1, unit: { en: 'stars', fa: 'ستاره' } },
      4,
      '4.0 of 5 stars',
      '۴٫۰ از ۵ ستاره',
    ],
    ['percent', {}, 14.3, '14.3%', '۱۴٫۳٪'],
    ['percent', { decimals: 0 }, 99.5, '100%', '۱۰۰٪'],
    ['money', { currency: 'EUR' }, 1250.5, '€1,250.50', '۱٬۲۵۰٫۵۰ یورو'],
    ['money', { currency: 'EUR', decimals: 0 }, -1250, '−€1,250', '−۱٬۲۵۰ یورو'],
    ['money', { currency: 'IRR' }, 900000, 'IRR 900,000', '۹۰۰٬۰۰۰ ریال'],
    ['money', {}, 1250.5, '1,250.5', '۱٬۲۵۰٫۵'],
    ['date', {}, '2026-05-01', 'May 1, 2026', '۱۱ اردیبهشت ۱۴۰۵'],
    ['duration', {}, 125, '2 min 5 s', '۲ دقیقه و ۵ ثانیه'],
    ['duration', {}, 0, '0 s', '۰ ثانیه'],
    ['duration', {}, 10_800, '3 hours', '۳ ساعت'],
    ['number', { ranges: RANGES }, 599.9, '599.9 Low', '۵۹۹٫۹ کم'],
    ['number', { ranges: RANGES, scale: 900 }, 600, '600 of 900 High', '۶۰۰ از ۹۰۰ زیاد'],
    ['number', { ranges: RANGES }, -1, '-1', '−۱'],
    ['percent', { ranges: RANGES }, 5, '5% Low', '۵٪ کم'],
    ['url', {}, 'https://example.com/a?b', 'example.com/a?b', 'example.com/a?b'],
    ['url', {}, 'http://example.com/a?b', 'http://example.com/a?b', 'http://example.com/a?b'],
    [
      'url',
      {},
      encodeURI('https://example.com/خبر/۱?x=%20'),
      'example.com/خبر/۱?x=%2520',
      'example.com/خبر/۱?x=%2520',
    ],
    ['choice', { options: OPTIONS }, 'good', 'Good', 'خوب'],
    ['choice', { options: OPTIONS }, 2, 'Two', 'Two'],
    ['choice', { options: OPTIONS }, true, 'On', 'On'],
    ['list', {}, ['a', 1], 'a 1', 'a ۱'],
    ['list', { items: 'percent' }, [5, 6.5], '5% 6.5%', '۵٪ ۶٫۵٪'],
    ['list', { items: 'choice', options: OPTIONS }, ['good'], 'Good', 'خوب'],
    ['file', {}, { name: 'a.pdf', size: 123456 }, 'a.pdf (123 kB)', 'a.pdf (۱۲۳ کیلوبایت)'],
    ['file', {}, { name: 'a.pdf', size: 10 }, 'a.pdf (1 kB)', 'a.pdf (۱ کیلوبایت)'],
    ['file', {}, { name: 'a.pdf', size: 4_560_000 }, 'a.pdf (4.6 MB)', 'a.pdf (۴٫۶ مگابایت)'],
  ] as [ResultField['type'], Partial<ResultField>, unknown, string, string][])(
    'a %s with %j: %j',
    (type, settings, value, en, fa) => {
      expect(shown(value, one(type, settings))).toBe(en)
      expect(shown(value, one(type, settings), 'fa')).toBe(fa)
    },
  )

  test('the direction of a formatted value is that of its words, whatever its sign', () => {
    const direction = (value: number, settings: Partial<ResultField>, locale: Locale) =>
      pageOf({ x: value }, [one('money', settings)], undefined, locale)('.panel dd bdi').attr('dir')
    expect(direction(-1, { currency: 'EUR' }, 'fa')).toBe('rtl')
    expect(direction(-1, {}, 'fa')).toBe('ltr')
    expect(direction(1, { currency: 'IRR' }, 'en')).toBe('ltr')
  })

  test('an address is a link that passes nothing on', () => {
    const $ = pageOf({ x: 'https://example.com/?a=1&b="' }, [one('url')])
    expect($('.panel a').attr()).toEqual({
      href: 'https://example.com/?a=1&b="',
      rel: 'noopener noreferrer nofollow',
    })
  })

  test('an image is loaded from an address of the request', () => {
    const columns = [one('image', { name: 'a/b', label: 'In "row"' })]
    const $ = pageOf({ x: PNG, 'y?': [{}, { 'a/b': PNG }] }, [
      one('image', { label: { en: 'Photo', fa: 'عکس' } }),
      one('table', { name: 'y?', columns }),
    ])
    expect(
      $('.panel img')
        .map((_i, img) => [[$(img).attr('src'), $(img).attr('alt')]])
        .get(),
    ).toEqual([
      [`${IMAGES}/x`, 'Photo'],
      [`${IMAGES}/y%3F/1/a%2Fb`, 'In "row"'],
    ])
    expect($.html()).not.toContain(PNG)
    expect(pageOf({ x: LARGEST_JPEG }, [one('image')])('.panel img')).toHaveLength(1)
  })

  test('a file with an address is a link to it', () => {
    const $ = pageOf({ x: { name: '<a>.pdf', size: 1, url: 'https://example.com/f' } }, [one('file')])
    expect([$('.panel a').attr('href'), textOf($, '.panel a')]).toEqual(['https://example.com/f', '<a>.pdf'])
  })
})

describe('a value that does not fit', () => {
  test.each(MISFITS.filter(([type]) => !['image', 'choice'].includes(type)))(
    'a %s that is %j is shown as without a definition',
    (type, value, _demand, settings) => {
      for (const locale of ['en', 'fa'] as const) {
        const plain = pageOf({ x: value }, [], undefined, locale)
        const typed = pageOf({ x: value }, [one(type, settings)], undefined, locale)
        expect(typed('.panel').html()).toBe(plain('.panel').html())
        expect(typed('.panel a')).toHaveLength(0)
      }
    },
  )

  test('a value that a choice does not know is shown in words, never as an identifier', () => {
    const choice = one('choice', { options: [{ value: 'a', label: 'A' }] })
    expect(shown('http_418', choice)).toBe('HTTP 418')
    expect(shown('tooLate', choice)).toBe('Too late')
    expect(shown('Not so, sorry', choice)).toBe('Not so, sorry')
    expect(shown(3, choice, 'fa')).toBe('۳')
  })

  test('a text that is no image is not shown, because it is no text to read', () => {
    for (const value of [LARGE_JPEG, 'data:image/svg+xml;base64,PHN2Zz4=']) {
      expect(shown(value, one('image'))).toBe('This image cannot be shown. It is in the download.')
      expect(shown(value, one('image'), 'fa')).toBe('این تصویر را نمی‌توان نشان داد؛ در فایل دریافتی هست.')
    }
  })

  test('only the items and cells that do not fit are shown as plain values', () => {
    expect(shown([5, 'five', null], one('list', { items: 'percent' }))).toBe('5% five none')
    const columns = [one('percent', { name: 'a', label: 'A' })]
    const $ = pageOf({ x: [{ a: 5 }, { a: 'five' }, { a: null }, {}] }, [one('table', { columns })])
    expect(
      $('.panel td')
        .map((_i, cell) => $(cell).text().trim())
        .get(),
    ).toEqual(['5%', 'five', '', ''])
  })

  test('a result that is no object is shown as without a definition', () => {
    expect(textOf(pageOf([1, 2], [one('text')]), '.panel')).toBe('Result 1 2')
    expect(textOf(pageOf(null, [one('text')]), '.panel')).toBe('Result There is nothing to show.')
  })
})

describe('the order and choice of values', () => {
  test('described values come in the order of the definition, the others after them by their names', () => {
    const fields = [one('text', { name: 'b', label: 'Second' }), one('text', { name: 'a', label: 'First' })]
    expect(textOf(pageOf({ otherName: 1, a: 'x', b: 'y' }, fields), '.panel .facts')).toBe(
      'Second y First x Other name 1',
    )
  })

  test('an empty value is left out, unless its field says otherwise', () => {
    const fields = [one('number'), one('text', { name: 'y', label: 'Y' })]
    for (const x of [null, '', [], {}])
      expect(textOf(pageOf({ x, y: 'z', other: x }, fields), '.panel .facts')).toBe('Y z')
    expect(textOf(pageOf({ x: 0, y: 'z' }, fields), '.panel .facts')).toBe('X 0 Y z')
    expect(textOf(pageOf({ y: 'z' }, fields), '.panel .facts')).toBe('Y z')
    expect(textOf(pageOf({ x: null, other: [] }, fields), '.panel')).toBe('Result There is nothing to show.')
    for (const value of [null, '', [], {}]) {
      expect(shown(value, one('list', { hide_when_empty: false }))).toBe('none')
      expect(textOf(pageOf({ a: { b: value, c: 1 } }, []), '.panel .facts')).toBe('C 1')
    }
  })

  test('a column is left out when it is empty in all rows', () => {
    const columns = [
      one('text', { name: 'a', label: 'A' }),
      one('text', { name: 'b', label: 'B' }),
      one('text', { name: 'c', label: 'C', hide_when_empty: false }),
    ]
    const heads = (rows: object[]) => textOf(pageOf({ x: rows }, [one('table', { columns })]), '.panel th')
    expect(heads([{ a: 1 }, { a: 2, b: null, d: '' }])).toBe('A')
    expect(
      heads([
        { a: 1, c: null },
        { a: 2, b: 3, d_e: 4 },
      ]),
    ).toBe('ABCD e')
  })

  test('the headline is shown first and large, and not again', () => {
    const fields = [one('text', { name: 'y', label: 'Y' }), one('number', { scale: 850 })]
    const $ = pageOf({ y: 'z', x: 712 }, fields, 'x')
    expect([textOf($, '.panel .headline'), textOf($, '.panel .facts')]).toEqual(['X 712 of 850', 'Y z'])
    const empty = pageOf({ y: 'z', x: null }, fields, 'x')
    expect([textOf(empty, '.panel .headline'), textOf(empty, '.panel .facts')]).toEqual(['', 'Y z'])
    expect(textOf(pageOf({ x: { a: 1 } }, fields, 'x'), '.panel .headline')).toBe('')
    expect(textOf(pageOf({ x: 712 }, [one('number')], 'x'), '.panel')).toBe('Result X 712')
  })

  test('a column of one currency has it in its heading and in the labels of its cards, not at each amount, and both signs', () => {
    const money = one('money', { name: 'a', label: 'A', currency: 'unit' })
    const table = one('table', { columns: [money], plot: { x: 'a', y: 'a' } })
    const tableIn = (unit: string | undefined, locale: 'en' | 'fa') => {
      const $ = pageOf({ x: [{ a: 1234.5 }, { a: -2 }], unit }, [table], undefined, locale)
      const cells = $('.panel td')
      return [
        textOf($, '.panel th'),
        ...cells.map((_i, cell) => $(cell).text().trim()).get(),
        cells.attr('data-label'),
        textOf($, '.plot figcaption'),
      ]
    }
    expect(tableIn('USD', 'en')).toEqual(['A ($)', '+1,234.50', '−2.00', 'A ($)', 'A ($)'])
    expect(tableIn('IRR', 'en')).toEqual(['A (IRR)', '+1,235', '−2', 'A (IRR)', 'A (IRR)'])
    expect(tableIn('IRR', 'fa')).toEqual(['A (ریال)', '\u200e+۱٬۲۳۵', '\u200e−۲', 'A (ریال)', 'A (ریال)'])
    expect(tableIn('points', 'en')).toEqual(['A (points)', '+1,234.5', '−2', 'A (points)', 'A (points)'])
    expect(tableIn(undefined, 'en')).toEqual(['A', '+1,234.5', '−2', 'A', 'A'])
  })

  test('the currency of an amount is that of its row, else of the result, and is not shown on its own', () => {
    const money = one('money', { name: 'a', label: 'A', currency: 'unit' })
    const table = one('table', { columns: [money] })
    expect(textOf(pageOf({ a: 1, unit: 'EUR' }, [money]), '.panel .facts')).toBe('A €1.00')
    const rows = pageOf({ x: [{ a: 1 }, { a: 2, unit: 'USD' }], unit: 'EUR' }, [table])
    expect(
      rows('.panel td')
        .map((_i, cell) => rows(cell).text().trim())
        .get(),
    ).toEqual(['€1.00', '$2.00'])
    expect(textOf(rows, '.panel')).not.toContain('Unit')
    // The currency of a text that is no amount is still shown, and so is one that the definition names.
    expect(textOf(pageOf({ a: '1', unit: 'EUR' }, [money]), '.panel .facts')).toBe('A 1 Unit EUR')
    expect(
      textOf(pageOf({ a: 1, unit: 'EUR' }, [money, one('text', { name: 'unit' })]), '.panel .facts'),
    ).toBe('A €1.00 X EUR')
    expect(textOf(pageOf({ a: 1, unit: 'تومان' }, [money]), '.panel .facts')).toBe('A 1 تومان')
  })

  test('names that all objects inherit are names like others', () => {
    const fields = [
      one('text', { name: 'constructor', label: 'C' }),
      one('text', { name: '__proto__', label: 'P' }),
    ]
    expect(textOf(pageOf(JSON.parse('{"__proto__":"p"}'), fields), '.panel .facts')).toBe('P p')
  })

  test('numeric columns are aligned to the end, and each column has a heading cell', () => {
    const $ = pageOf(TYPED_RESULT, RESULT_FIELDS)
    const heads = $('.panel th')
      .map((_i, th) => [[$(th).text(), $(th).attr('scope'), $(th).attr('class')]])
      .get()
    expect(heads).toEqual([
      ['Date', 'col', undefined],
      ['Description', 'col', undefined],
      ['Amount (IRR)', 'col', 'numeric'],
      ['Stamp', 'col', 'wide'],
    ])
    expect(
      $('.panel tr:last-child td')
        .map((_i, td) => $(td).attr('class') ?? '')
        .get(),
    ).toEqual(['', '', 'numeric', 'wide blank'])
  })
})
