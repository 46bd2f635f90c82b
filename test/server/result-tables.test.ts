/** The tables of a result, their groups and plots, and the gauge of its headline. */
import { type CheerioAPI, load } from 'cheerio'
import { describe, expect, test } from 'vitest'
import type { ResultDefinition, ResultField } from '../../core/catalog/result-definition.ts'
import type { Locale } from '../../core/i18n/index.ts'
import { textOf } from './page-browser.ts'
import { complete, pagesWithResult, start, viewAfter } from './page-fixtures.ts'

const pageOf = (result: unknown, definition: ResultDefinition, locale: Locale = 'en'): CheerioAPI =>
  load(pagesWithResult(definition).request({ locale, address: '/' }, viewAfter(start, complete(result))))

const column = (name: string, type: ResultField['type'], more: Partial<ResultField> = {}): ResultField => ({
  name,
  type,
  label: name.toUpperCase(),
  ...more,
})
const table = (more: Partial<ResultField> = {}): ResultDefinition => ({
  fields: [
    column('x', 'table', {
      label: 'Rows',
      columns: [column('a', 'text'), column('n', 'number'), column('d', 'date')],
      ...more,
    }),
  ],
})
const rowsOf = (count: number) => Array.from({ length: count }, (_, i) => ({ a: `a${i % 2}`, n: i }))
const texts = ($: CheerioAPI, selector: string): string[] =>
  $(selector)
    .toArray()
    .map((element) => $(element).text().replace(/\s+/g, ' ').trim())

describe('the rows of a table', () => {
  test('a table of 20 rows shows all of them', () => {
    const $ = pageOf({ x: rowsOf(20) }, table())
    expect([$('tbody tr').length, $('.row-more').length, $('.show-all').length]).toEqual([20, 0, 0])
  })

  test('a longer table has all rows in the page, and a control without script for those that are hidden at first', () => {
    for (const [locale, words] of [
      ['en', 'Show all 23 rows'],
      ['fa', 'نمایش همهٔ ۲۳ سطر'],
    ] as const) {
      const $ = pageOf({ x: rowsOf(23) }, table(), locale)
      expect([$('.panel tbody tr').length, $('.row-more').length]).toEqual([23, 3])
      expect($('.table-box + .show-all input[type=checkbox]')).toHaveLength(1)
      expect(textOf($, '.show-all')).toBe(words)
    }
  })

  test('rows that each name other columns become a list, and the page does not grow with the empty cells', () => {
    const sparse = (rows: number, names: number) =>
      Array.from({ length: rows }, (_, i) =>
        Object.fromEntries(Array.from({ length: names }, (_, k) => [`c${i}_${k}`, 1])),
      )
    const short = pageOf({ x: [{ a: 'a0', more: 1 }, ...sparse(2, 20)] }, table())
    expect(short('table').length).toBe(1)
    const html = pageOf({ x: sparse(60, 190) }, table()).html()
    expect(html).toContain('C59 189')
    expect(html.length).toBeLessThan(3_000_000)
    const narrow = [...Array.from({ length: 20_000 }, () => ({ b: 1 })), { c: 1, d: 2, e: 3 }]
    expect(pageOf({ y: narrow }, table())('table').length).toBe(0)
  })

  test('the heading has the number of rows, also where the result has only the first ones', () => {
    const all = pageOf({ x: rowsOf(3), many: 3 }, table({ total: 'many' }))
    expect([textOf(all, '.panel h3'), textOf(all, '.panel .table-box ~ .result-note')]).toEqual([
      'Rows 3',
      '',
    ])
    const some = pageOf({ x: rowsOf(3), many: 1234 }, table({ total: 'many' }))
    expect(textOf(some, '.panel h3')).toBe('Rows 1,234')
    expect(textOf(some, '.panel')).toContain('These are the first 3 of 1,234.')
    expect(textOf(some, '.panel')).not.toContain('Many')
  })

  test('entries of an account are a ledger, unless a value is missing or another column is there', () => {
    const columns = [column('d', 'date'), column('t', 'text'), column('n', 'money'), column('m', 'money')]
    const entry = { d: '2026-05-01', t: 'Rent', n: -5, m: 10 }
    const ledgersOf = (...rows: object[]): number => pageOf({ x: rows }, table({ columns }))('.ledger').length
    expect(ledgersOf(entry, { ...entry, n: 3 })).toBe(1)
    expect(ledgersOf(entry, { ...entry, m: null })).toBe(0)
    expect(ledgersOf(entry, { ...entry, t: '' })).toBe(0)
    expect(ledgersOf({ ...entry, more: 1 })).toBe(0)
  })

  test('the columns of tables of one shape stand below each other, unless their numbers are long', () => {
    const [x] = table().fields
    const y: ResultField = { ...(x as ResultField), name: 'y' }
    const alignedOf = (n: number, more: Partial<ResultField> = {}): number =>
      pageOf(
        { x: [{ a: 'a', n }], y: [{ a: 'b', n: 2 }] },
        { fields: [x as ResultField, { ...y, ...more }] },
      )('table.aligned').length
    expect(alignedOf(1)).toBe(2)
    expect(alignedOf(123_456_789)).toBe(0)
    expect(alignedOf(1, { columns: [column('n', 'number'), column('a', 'text')] })).toBe(0)
  })

  test('rows stand in groups, in the order of the first row of each, below what they have in common', () => {
    const rows = [{ a: 'p', n: 1 }, { a: 'q', n: 2 }, { a: 'p', n: 3 }, { a: null, n: 4 }, { n: 5 }]
    const $ = pageOf({ x: rows }, table({ group_by: 'a' }))
    expect(texts($, '.panel thead th')).toEqual(['N'])
    expect(texts($, '.panel tbody tr')).toEqual(['A p 2', '1', '3', 'A q', '2', '4', '5'])
    expect($('tbody')).toHaveLength(3)
    expect($('.row-group th').first().attr('scope')).toBe('rowgroup')
  })

  test('cells have explicit roles, and the label of their column where they need one, for where a row is shown as a card', () => {
    const $ = pageOf({ x: [{ a: 'p', n: null }, { n: 1 }] }, table())
    expect(
      $('.panel td')
        .toArray()
        .map((td) => [$(td).attr('data-label'), $(td).attr('role'), $(td).attr('class')]),
    ).toEqual([
      [undefined, 'cell', undefined],
      ['N', 'cell', 'numeric blank'],
      [undefined, 'cell', 'blank'],
      ['N', 'cell', 'numeric'],
    ])
    expect($('.panel [role=columnheader]')).toHaveLength(2)
  })

  test('a column without a definition is numeric where all its values are numbers', () => {
    const $ = pageOf([{ a: 1, b: 2 }, { a: 'x' }], { fields: [] })
    expect(texts($, '.panel th.numeric')).toEqual(['B'])
  })
})

describe('the plot of a table', () => {
  const plotted = table({ plot: { x: 'd', y: 'n' } })
  const days = [
    { d: '2026-05-01', n: 100 },
    { d: '2026-05-02', n: -50 },
    { d: '2026-05-05', n: 300 },
    { d: '2026-05-05', n: 200 },
  ]
  const FACTS = [
    'First 100 May 1, 2026',
    'Lowest -50 May 2, 2026',
    'Highest 300 May 5, 2026',
    'Last 200 May 5, 2026',
  ]

  test('the first and the last value of a plot are not named again as its lowest and highest', () => {
    const factsOf = (...values: number[]): string[] =>
      texts(pageOf({ x: values.map((n, i) => ({ d: `2026-05-0${i + 1}`, n })) }, plotted), '.plot dt')
    expect(factsOf(246, 134, 148)).toEqual(['First', 'Lowest', 'Last'])
    expect(factsOf(1, 2, 3)).toEqual(['First', 'Last'])
  })

  test('a plot says in words what its line shows, whichever way the rows are sorted', () => {
    for (const rows of [days, days.toReversed()]) {
      const $ = pageOf({ x: rows }, plotted)
      expect(texts($, '.plot dl > div')).toEqual(FACTS)
      expect(textOf($, '.plot figcaption')).toBe('N')
      // By the time between them, not by their order; 0 has a line of its own.
      expect($('.plot-line').attr('points')).toBe('8,90.3 154,152 592,8 592,49.1')
      expect($('.plot-zero').attr('d')).toBe('M0 131.4H600')
      expect($('.plot svg').attr('aria-hidden')).toBe('true')
    }
  })

  test('a line of equal values, or of values without a place on the axis, is drawn', () => {
    const flat = pageOf(
      { x: [{ a: 'p', n: 5 }, { a: 'q', n: 5 }, { a: 'r' }] },
      table({ plot: { x: 'a', y: 'n' } }),
    )
    expect(flat('.plot-line').attr('points')).toBe('8,80 592,80')
  })

  test('fewer than two numbers are no plot', () => {
    expect(pageOf({ x: [days[0]] }, plotted)('.plot')).toHaveLength(0)
    expect(pageOf({ x: [days[0], { d: '2026-05-02', n: '7' }] }, plotted)('.plot')).toHaveLength(0)
    expect(pageOf({ x: rowsOf(3) }, plotted)('.plot')).toHaveLength(0)
  })
})

describe('the gauge of a headline', () => {
  const scored = (more: Partial<ResultField> = {}): ResultDefinition => ({
    headline: 's',
    fields: [column('s', 'number', { label: 'Score', scale: 900, ...more })],
  })
  const ranges: ResultField['ranges'] = [
    { from: 0, label: 'Poor', tone: 'poor' },
    { from: 450, label: 'Good', tone: 'good' },
  ]

  test('a number of a scale has a gauge, and words for all that it shows', () => {
    const $ = pageOf({ s: 450 }, scored({ ranges }))
    expect(textOf($, '.headline')).toBe('Score 450 of 900 Good 450 to 900')
    expect($('.gauge svg').attr()).toMatchObject({ 'aria-hidden': 'true', 'data-tone': 'good' })
    expect($('.gauge-mark').attr()).toMatchObject({ cx: '100', cy: '14' })
    expect([$('.gauge-track').length, $('.gauge-fill').length]).toEqual([2, 1])
    expect($('[style]')).toHaveLength(0)
  })

  test('a number beyond its scale is at the end of the gauge and is shown as it is', () => {
    for (const [value, cx] of [
      [1000, '186'],
      [-5, '14'],
    ] as const) {
      const $ = pageOf({ s: value }, scored())
      expect([$('.gauge-mark').attr('cx'), textOf($, '.gauge')]).toEqual([
        cx,
        `${value.toLocaleString('en', { useGrouping: 'min2' as never })} of 900`,
      ])
    }
  })

  test('a number beyond its scale is in no range of the scale', () => {
    expect(textOf(pageOf({ s: 1000 }, scored({ ranges })), '.headline')).toBe('Score 1000 of 900 Good')
  })

  test('other values have no gauge', () => {
    for (const result of [{ s: 'A' }, { s: null }, {}])
      expect(pageOf(result, scored({ ranges }))('.gauge')).toHaveLength(0)
    const percent = { headline: 's', fields: [column('s', 'percent', { ranges })] }
    expect(textOf(pageOf({ s: 5 }, percent), '.headline')).toBe('S 5% Poor')
  })
})

describe('what can be done with a result', () => {
  test('a result is downloaded, printed and shared before a new request is offered', () => {
    const $ = pageOf({ x: rowsOf(1) }, table())
    expect(texts($, '.result-actions > *')).toEqual([
      'Save as PDF',
      'Share',
      'Download CSV',
      'Download JSON',
      'New request',
    ])
    expect(texts($, '.result-actions .button:not(.button-quiet)')).toEqual(['Save as PDF'])
    // They need script.
    expect(texts($, '.result-actions :is([data-print], [data-share])')).toEqual(['Save as PDF'])
    expect(texts(pageOf({ a: 1 }, { fields: [] }), '.result-actions a')).toEqual([
      'Download JSON',
      'New request',
    ])
  })
})
