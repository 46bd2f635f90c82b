import { describe, expect, it } from 'vitest'
import { type ResultField, resultSchema } from '../../../core/catalog/result-definition.ts'

const field = (more: object): object => ({ name: 'x', type: 'text', label: 'X', ...more })
const OPTIONS = [{ value: 'a', label: 'A' }]

/** What is wrong with a definition, as `path: message`. */
const faultsOf = (fields: object[], headline?: string): string[] => {
  const parsed = resultSchema.safeParse({ fields, headline })
  return parsed.success ? [] : parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`)
}

describe('the definition of a result', () => {
  it('has no fields by default', () => {
    expect(resultSchema.parse({})).toEqual({ fields: [] })
  })

  it.each([
    ['number', { unit: 'km', scale: 850, decimals: 1 }],
    ['percent', { decimals: 2, ranges: [{ from: -1.5, label: 'Low' }] }],
    [
      'number',
      {
        ranges: [
          { from: 0, label: 'Low', tone: 'poor' },
          { from: 600, label: { en: 'High', fa: 'زیاد' }, tone: 'good' },
        ],
      },
    ],
    ['money', { currency: 'EUR', decimals: 0 }],
    ['choice', { options: OPTIONS }],
    ['list', {}],
    ['list', { items: 'money', currency: 'EUR', decimals: 0 }],
    ['list', { items: 'choice', options: OPTIONS }],
    ['table', { columns: [field({ type: 'money', currency: 'currency' }), field({ name: 'y' })] }],
    ['table', { columns: [field({ type: 'list', items: 'url' })] }],
    [
      'table',
      {
        columns: [field({}), field({ name: 'y', type: 'number' })],
        group_by: 'x',
        total: 'rows_total',
        plot: { x: 'x', y: 'y' },
      },
    ],
  ] as [ResultField['type'], object][])('accepts a %s with %j', (type, settings) => {
    expect(faultsOf([field({ type, hide_when_empty: true, ...settings })])).toEqual([])
  })

  it.each([
    ['text', { unit: 'km' }, 'unit: is only for number, and this is a text'],
    ['percent', { unit: 'km' }, 'unit: is only for number, and this is a percent'],
    ['money', { scale: 5 }, 'scale: is only for number, and this is a money'],
    ['text', { decimals: 1 }, 'decimals: is only for number, percent, money, and this is a text'],
    ['number', { currency: 'EUR' }, 'currency: is only for money, and this is a number'],
    ['list', { currency: 'EUR' }, 'currency: is only for money, and this is a list'],
    ['text', { options: OPTIONS }, 'options: is only for choice, and this is a text'],
    ['choice', {}, 'options: must be there for a choice'],
    ['list', { items: 'choice' }, 'options: must be there for a choice'],
    ['choice', { options: [...OPTIONS, ...OPTIONS] }, 'options.1.value: is there twice'],
    [
      'money',
      { ranges: [{ from: 0, label: 'A' }] },
      'ranges: is only for number, percent, and this is a money',
    ],
    [
      'number',
      {
        ranges: [
          { from: 5, label: 'A' },
          { from: 5, label: 'B' },
        ],
      },
      'ranges.1.from: must be more than in the range before',
    ],
    ['text', { total: 'y' }, 'total: is only for table, and this is a text'],
    ['table', { columns: [field({})], group_by: 'y' }, 'group_by: must be the name of a column'],
    [
      'table',
      { columns: [field({ type: 'number' })], plot: { x: 'y', y: 'x' } },
      'plot.x: must be the name of a column',
    ],
    [
      'table',
      { columns: [field({})], plot: { x: 'x', y: 'x' } },
      'plot.y: must be a column of number, percent, money',
    ],
    ['text', { items: 'text' }, 'items: is only for list, and this is a text'],
    ['list', { items: 'table' }, 'items: must not be list, table, image, file'],
    ['list', { items: 'image' }, 'items: must not be list, table, image, file'],
    ['list', { items: 'file' }, 'items: must not be list, table, image, file'],
    ['list', { items: 'list' }, 'items: must not be list, table, image, file'],
    ['table', {}, 'columns: must be there for a table'],
    ['list', { columns: [field({})] }, 'columns: is only for table, and this is a list'],
    ['table', { columns: [field({}), field({})] }, 'columns.1.name: is there twice'],
    ['table', { columns: [field({ type: 'choice' })] }, 'columns.0.options: must be there for a choice'],
    [
      'table',
      { columns: [field({ type: 'table', columns: [field({})] })] },
      'columns.0.type: must not be a table inside a table',
    ],
  ] as [ResultField['type'], object, string][])('refuses a %s with %j', (type, settings, fault) => {
    expect(faultsOf([field({ type, ...settings })])).toEqual([`fields.0.${fault}`])
  })

  it('refuses two fields of one name, and names that cannot be part of an address', () => {
    expect(faultsOf([field({}), field({ name: 'y' }), field({})])).toEqual(['fields.2.name: is there twice'])
    for (const name of ['.', '..', '\ud800'])
      expect(faultsOf([field({ name })])).toEqual([
        'fields.0.name: must not be "." or "..", and must be well-formed text',
      ])
    expect(faultsOf([field({ name: 'شماره 1/2' }), field({ name: '...' })])).toEqual([])
  })

  it('refuses a headline that is no field, or more than one value', () => {
    expect(faultsOf([field({})], 'x')).toEqual([])
    expect(faultsOf([field({})], 'y')).toEqual(['headline: must be the name of a field of the result'])
    for (const type of ['list', 'image', 'file'])
      expect(faultsOf([field({ type })], 'x')).toEqual([`headline: must not be a ${type}: it is shown large`])
  })
})
