/** The tables of docs/ADD-A-SERVICE.md list every property of a definition with its default, and no other. */
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { FIELD_KINDS, fieldSchema } from '../../core/catalog/field-definition.ts'
import { RESULT_KINDS, resultSchema } from '../../core/catalog/result-definition.ts'
import { parseService, serviceSchema } from '../../core/catalog/service-definition.ts'
import { blocksOf, read } from './blocks.ts'

const text = read('docs/ADD-A-SERVICE.md')

/** The cells of a table by the name in the comment above it, without its two header lines. */
function tableOf(name: string): string[][] {
  const [, table = ''] = new RegExp(`<!-- table: ${name} -->\\n((?:\\|.*\\n)+)`).exec(text) ?? []
  return table
    .trim()
    .split('\n')
    .slice(2)
    .map((row) => row.slice(2, -2).split(' | '))
}
const unquoted = (cell = ''): string => cell.replaceAll('`', '').trim()
const words = (cell = ''): string[] => [...cell.matchAll(/`(\w+)`/g)].map(([, word = '']) => word).sort()

interface ObjectSchema {
  properties: Record<string, Partial<ObjectSchema> & { default?: unknown; items?: ObjectSchema }>
  required?: string[]
}
const schema = z.toJSONSchema(serviceSchema, {
  io: 'input',
  unrepresentable: 'any',
  reused: 'inline',
}) as unknown as ObjectSchema & {
  $defs: Record<string, ObjectSchema>
}
const { fields, steps, backoff, queue, result } = schema.properties
const [resultField] = Object.values(schema.$defs)

const OBJECTS: [string, ObjectSchema | undefined][] = [
  ['service', schema],
  ['field', fields?.items],
  ['step', steps?.items],
  ['backoff', backoff as ObjectSchema],
  ['queue', queue as ObjectSchema],
  ['result', result as ObjectSchema],
  ['result field', resultField],
]

describe('the definition of a service in docs/ADD-A-SERVICE.md', () => {
  test.each(OBJECTS)('the table of the %s lists each property, and no other', (name, object) => {
    const properties = Object.keys(object?.properties ?? {})
    expect(properties.length).toBeGreaterThan(1)
    expect(
      tableOf(name)
        .map(([cell]) => unquoted(cell))
        .sort(),
    ).toEqual(properties.sort())
  })

  test.each(OBJECTS)('the table of the %s says what is required, and each default', (name, object) => {
    for (const [cell, given] of tableOf(name)) {
      const property = unquoted(cell)
      const { default: value } = object?.properties[property] ?? {}
      expect(given === 'required', property).toBe(object?.required?.includes(property) ?? false)
      if (value !== undefined) expect(unquoted(given), property).toBe(JSON.stringify(value))
      else expect(given, property).not.toMatch(/^`(?![A-Z])/)
    }
  })
})

test('each definition in JSON of docs/ADD-A-SERVICE.md is valid', () => {
  const definitions = blocksOf('docs/ADD-A-SERVICE.md').filter(({ language }) => language === 'json')
  expect(definitions.length).toBeGreaterThan(0)
  for (const block of definitions)
    expect(parseService(JSON.parse(block.text)), block.text).toMatchObject({ ok: true })
})

describe('the types in docs/ADD-A-SERVICE.md', () => {
  const pattern = { regex: '.*', message: 'Wrong.' }
  const options = [{ value: 'a', label: 'A' }]
  const isDate = (type: string): boolean => type === 'date'

  test('the table of the types of fields lists each type, and no other', () => {
    expect(tableOf('field types').map(([cell]) => unquoted(cell))).toEqual([...FIELD_KINDS])
  })

  test.each(tableOf('field types'))(
    'a field of type %s takes what its row says',
    (cell, _accepts, _gets, takes) => {
      const type = unquoted(cell)
      const bound = isDate(type) ? '2026-01-31' : 1
      const settings = { min: bound, max: bound, min_length: 1, max_length: 9, pattern, options }
      const isChoice = words(takes).includes('options')
      const field = { name: 'a', type, label: 'A', ...(isChoice && { options }) }
      const taken = Object.entries(settings).filter(
        ([name, value]) => fieldSchema.safeParse({ ...field, max_length: undefined, [name]: value }).success,
      )
      expect(taken.map(([name]) => name).sort()).toEqual(words(takes))
    },
  )

  test('the table of the types of results lists each type, and no other', () => {
    expect(tableOf('result types').map(([cell]) => unquoted(cell))).toEqual([...RESULT_KINDS])
  })

  test.each(tableOf('result types'))(
    'a result of type %s takes what its row says',
    (cell, _value, _shown, takes) => {
      const type = unquoted(cell)
      const columns = [
        { name: 'b', type: 'text', label: 'B' },
        { name: 'n', type: 'number', label: 'N' },
      ]
      const settings = {
        unit: 'km', scale: 9, ranges: [{ from: 0, label: 'A' }], decimals: 1, currency: 'EUR', options, items: 'text', columns,
        group_by: 'b', total: 'c', plot: { x: 'b', y: 'n' },
      } // biome-ignore format: a list
      const field = {
        name: 'a',
        type,
        label: 'A',
        ...(type === 'choice' && { options }),
        ...(type === 'table' && { columns }),
      }
      const taken = Object.entries(settings).filter(
        ([name, value]) => resultSchema.safeParse({ fields: [{ ...field, [name]: value }] }).success,
      )
      expect(taken.map(([name]) => name).sort()).toEqual(words(takes))
    },
  )
})
