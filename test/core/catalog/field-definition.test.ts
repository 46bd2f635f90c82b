/** What the definitions of fields must not contradict. */
import { RE2JS } from 're2js'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { describeField } from '../../../core/catalog/field-definition.ts'
import { parseService } from '../../../core/catalog/service-definition.ts'
import { allFields, type FieldDefinition, fieldOf } from '../../helpers/all-fields.ts'

function errorsOf(...fields: Partial<FieldDefinition>[]): string[] {
  const parsed = parseService({ slug: 'fixture', title: 'Fixture', fields: fields.map(fieldOf) })
  return parsed.ok ? [] : parsed.errors
}
const options = [
  { value: 'a', label: 'A' },
  { value: 'b', label: 'B' },
]
const pattern = { regex: 'a+', message: 'Only a' }

describe('a field definition', () => {
  it.each<[Partial<FieldDefinition>, string[]]>([
    [{ type: 'choice' }, ['fields[0].options: are required of a choice']],
    [{ type: 'choices' }, ['fields[0].options: are required of a choices']],
    [{ options }, ['fields[0].options: are for choice and choices only']],
    [
      { type: 'choice', options: [...options, options[0]!] },
      ['fields[0].options: must have different values'],
    ],
    [
      { type: 'choice', options: [{ value: ' a', label: 'A' }] },
      ['fields[0].options: must have values without spaces around them'],
    ],
    [{ min: 1 }, ['fields[0].min: is for number and date only']],
    [{ type: 'checkbox', max: 1 }, ['fields[0].max: is for number and date only']],
    [{ type: 'number', min: '2026-01-31' }, ['fields[0].min: must be a number']],
    [{ type: 'date', max: 5 }, ['fields[0].max: must be a date such as 2026-01-31']],
    [{ type: 'number', min: 2, max: 1 }, ['fields[0].min: must not be above max']],
    [{ type: 'date', min: '2026-02-01', max: '2026-01-31' }, ['fields[0].min: must not be above max']],
    [
      { type: 'number', min_length: 1 },
      ['fields[0].min_length: is for text, multiline, email, tel, url and secret only'],
    ],
    [
      { type: 'mobile', max_length: 0 },
      ['fields[0].max_length: is for text, multiline, email, tel, url and secret only'],
    ],
    [{ min_length: 5, max_length: 4 }, ['fields[0].min_length: must not be above max_length, which is 4']],
    [{ min_length: 3000 }, ['fields[0].min_length: must not be above max_length, which is 2000']],
    [{ type: 'number', pattern }, ['fields[0].pattern: is not for a number']],
    [{ type: 'checkbox', pattern }, ['fields[0].pattern: is not for a checkbox']],
    [{ type: 'number', default: 'x' }, ['fields[0].default: must be a valid value of the field']],
    [{ type: 'number', max: 5, default: 6 }, ['fields[0].default: must be a valid value of the field']],
    [{ type: 'choice', options, default: 'c' }, ['fields[0].default: must be a valid value of the field']],
    [{ pattern, default: 'b' }, ['fields[0].default: must be a valid value of the field']],
    [{ default: '' }, ['fields[0].default: must be a valid value of the field']],
    [{ type: 'secret', default: 'x' }, ['fields[0].default: is not for a secret']],
    [{ type: 'secret', example: 'x' }, ['fields[0].example: is not for a secret']],
    [{ type: 'checkbox', example: 'x' }, ['fields[0].example: is not for a checkbox']],
    [{ type: 'mobile', example: '123' }, ['fields[0].example: must be a valid value of the field']],
    [
      { autocomplete: 'Given Name' },
      ['fields[0].autocomplete: must be lower-case words such as "given-name"'],
    ],
    [{ name: 'otp' }, ['fields[0].name: is reserved for the code in the call to a bot']],
  ])('%j is refused', (field, errors) => {
    expect(errorsOf(field)).toEqual(errors)
  })

  it.each(['(', 'a{2,1}', '(?=a)', '(a)\\1', 'a{1001}'])('the pattern %j is refused', (regex) => {
    expect(errorsOf({ pattern: { ...pattern, regex } })).toEqual([
      expect.stringMatching(/^fields\[0\]\.pattern: must be a regular expression in RE2 syntax \(.+\)$/),
    ])
  })

  it.each([
    ['a{1,1000}'.repeat(6)],
    ['((x{1,20}){1,40}y){5}('.concat('z?){900,}')],
    ['([^]a]{999}[[:alpha:]]\\pL{9}){500}'],
    ['\\Q{{{'.concat('a'.repeat(90), '\\E\\x{10}').concat('{1000}'.repeat(1), 'b{1000}'.repeat(5))],
  ])('the pattern %j, whose repetitions take long to compile, is refused without that', (regex) => {
    const compile = vi.spyOn(RE2JS, 'compile')
    onTestFinished(() => compile.mockRestore())
    expect(errorsOf({ max_length: 1, pattern: { ...pattern, regex } })).toEqual([
      expect.stringMatching(/^fields\[0\]\.pattern: is too large: .* 5000 characters/),
    ])
    expect(compile).not.toHaveBeenCalled()
  })

  it('a pattern that is too long is refused once, without its text', () => {
    const compile = vi.spyOn(RE2JS, 'compile')
    onTestFinished(() => compile.mockRestore())
    for (const regex of ['('.repeat(2000), 'x'.repeat(501)])
      expect(errorsOf({ pattern: { ...pattern, regex }, example: 'x' })).toEqual([
        'fields[0].pattern.regex: Too big: expected string to have <=500 characters',
      ])
    expect(compile).not.toHaveBeenCalled()
  })

  it.each([['(a{2,30}|[^{]{1000})\\{5000'], ['\\p{Greek}{40}[\\]{9}]'], ['a{,9}{'], ['(?:x{0,99}){10}']])(
    'the pattern %j with few repetitions is accepted',
    (regex) => {
      expect(errorsOf({ max_length: 100, pattern: { ...pattern, regex } })).toEqual([])
    },
  )

  it('a pattern that is too large for its values is refused with the length that it allows', () => {
    const field: Partial<FieldDefinition> = { pattern: { ...pattern, regex: '(a?){1000}b' } }
    expect(errorsOf(field)).toEqual([
      'fields[0].pattern: is too large for values of 2000 characters: shorten it, or set a max_length of at most 249',
    ])
    expect(errorsOf({ ...field, max_length: 249 })).toEqual([])
  })

  it.each<Partial<FieldDefinition>>([
    { type: 'choice', options, default: 'a' },
    { type: 'choices', options, default: ['b', 'a'] },
    { type: 'checkbox', required: false, default: false },
    { type: 'number', min: 1, max: 1, default: 1, example: '1' },
    { type: 'date', min: '2026-01-31', max: '2026-01-31', default: '2026-01-31' },
    { min_length: 0, max_length: 10_000, pattern, default: 'aa', autocomplete: 'section-x given-name' },
    { type: 'iban', example: 'GB82 WEST 1234 5698 7654 32', pattern: { ...pattern, regex: 'GB.*' } },
  ])('%j is accepted', (field) => {
    expect(errorsOf(field)).toEqual([])
  })
})

describe('the condition of a field', () => {
  const dependent = (
    equals: string | number | boolean | string[],
    field = 'first',
  ): Partial<FieldDefinition> => ({
    name: 'second',
    show_when: { field, equals },
  })
  it.each<[string, Partial<FieldDefinition>[], string]>([
    ['itself', [dependent('a', 'second')], 'fields[0].show_when.field: must be a field before it'],
    [
      'a later field',
      [dependent('a'), { name: 'first' }],
      'fields[0].show_when.field: must be a field before it',
    ],
    [
      'an unknown field',
      [{ name: 'first' }, dependent('a', 'third')],
      'fields[1].show_when.field: must be a field before it',
    ],
    [
      'a secret',
      [{ name: 'first', type: 'secret' }, dependent('a')],
      'fields[1].show_when.field: must not be a secret',
    ],
    [
      'no option',
      [{ name: 'first', type: 'choice', options }, dependent('c')],
      'fields[1].show_when.equals: must be a value of the field first',
    ],
    [
      'no choices',
      [{ name: 'first', type: 'choices', options }, dependent([])],
      'fields[1].show_when.equals: must be a value of the field first',
    ],
    [
      'another type',
      [{ name: 'first', type: 'checkbox' }, dependent('maybe')],
      'fields[1].show_when.equals: must be a value of the field first',
    ],
    [
      'a number out of bounds',
      [{ name: 'first', type: 'number', max: 5 }, dependent(6)],
      'fields[1].show_when.equals: must be a value of the field first',
    ],
    [
      'nothing',
      [{ name: 'first' }, dependent('')],
      'fields[1].show_when.equals: must be a value of the field first',
    ],
  ])('a condition on %s is refused', (_what, fields, error) => {
    expect(errorsOf(...fields)).toEqual([error])
  })

  it('a condition on a field with an invalid pattern reports the pattern', () => {
    expect(errorsOf({ name: 'first', pattern: { ...pattern, regex: '(' } }, dependent('a'))).toEqual([
      expect.stringMatching(/^fields\[0\]\.pattern: /),
    ])
  })

  it('the subject of a service cannot depend on another field', () => {
    const fields = [fieldOf({ name: 'first' }), fieldOf(dependent('a'))]
    expect(parseService({ slug: 'fixture', title: 'Fixture', subject: 'second', fields })).toEqual({
      ok: false,
      errors: ['subject: must be a required field of the service, without show_when'],
    })
  })

  it('a name that is there twice is refused', () => {
    expect(errorsOf({ name: 'a' }, { name: 'a' })).toEqual(['fields[1].name: is there twice'])
  })
})

describe('the public description of a field', () => {
  it('every property of a definition is in it', () => {
    for (const field of allFields().fields)
      expect(JSON.parse(JSON.stringify(describeField(field)))).toEqual(JSON.parse(JSON.stringify(field)))
  })
})
