import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { validateRequestData } from '../../../core/catalog/request-data.ts'
import { allFields, fieldOf, READ, serviceWith, TYPED } from '../../helpers/all-fields.ts'

const service = allFields()
const codesOf = (answer: ReturnType<typeof validateRequestData>) =>
  answer.ok ? [] : answer.errors.map(({ field, code }) => `${field} ${code}`)

describe('request data', () => {
  it('values typed in a form and values of JSON become the same data', () => {
    expect(validateRequestData(service, TYPED)).toEqual({ ok: true, data: READ })
    expect(validateRequestData(service, READ)).toEqual({ ok: true, data: READ })
  })

  it('validated data is valid again and unchanged', () => {
    const first = validateRequestData(service, TYPED)
    expect(first.ok && validateRequestData(service, first.data)).toEqual(first)
  })

  it('all invalid, missing and unknown fields are reported together', () => {
    const { mobile: _mobile, ...rest } = TYPED
    expect(codesOf(validateRequestData(service, { ...rest, amount: 'x', city: 'paris', colour: 'red' }))).toEqual([
      'city choice_invalid', 'amount number_invalid', 'mobile required', 'colour unknown_field',
    ]) // biome-ignore format: a list
  })

  it.each([undefined, null, '', ' \t'])('an optional field of %j is left out', (value) => {
    const optional = serviceWith(fieldOf({ required: false }))
    expect(validateRequestData(optional, { value })).toEqual({ ok: true, data: {} })
  })

  it('an optional field with a value is validated', () => {
    const optional = serviceWith(fieldOf({ type: 'email', required: false }))
    expect(codesOf(validateRequestData(optional, { value: 'x' }))).toEqual(['value email_invalid'])
  })

  it.each([undefined, '', false, 'false'])('an optional checkbox of %j is false', (value) => {
    const box = serviceWith(fieldOf({ type: 'checkbox', required: false }))
    expect(validateRequestData(box, { value })).toEqual({ ok: true, data: { value: false } })
  })

  it('the default of a field fills the form only, not the data', () => {
    const field = fieldOf({ default: 'x', required: false })
    expect(validateRequestData(serviceWith(field), {})).toEqual({ ok: true, data: {} })
  })

  it('inherited properties of the input are no values', () => {
    const named = serviceWith(fieldOf({ name: 'constructor' }))
    expect(codesOf(validateRequestData(named, {}))).toEqual(['constructor required'])
  })
})

describe('show_when', () => {
  const options = ['a', 'b', 'c'].map((value) => ({ value, label: value }))
  const dependent = fieldOf({ name: 'more', type: 'number' })
  const given = (parent: Parameters<typeof fieldOf>[0], equals: string | number | boolean | string[]) =>
    serviceWith(fieldOf({ name: 'first', ...parent }), {
      ...dependent,
      show_when: { field: 'first', equals },
    })

  it.each<[Parameters<typeof given>[0], Parameters<typeof given>[1], unknown, boolean]>([
    [{ type: 'choice', options }, 'a', 'a', true],
    [{ type: 'choice', options }, 'a', 'b', false],
    [{ type: 'choices', options }, 'a', ['b', 'a'], true],
    [{ type: 'choices', options }, ['a', 'c'], ['a', 'b'], false],
    [{ type: 'choices', options }, ['c', 'a'], ['a', 'b', 'c'], true],
    [{ type: 'checkbox', required: false }, true, 'true', true],
    [{ type: 'checkbox', required: false }, true, undefined, false],
    [{ type: 'checkbox', required: false }, false, undefined, true],
    [{ type: 'number' }, 5, '۵٫۰', true],
    [{ type: 'number' }, '5', 6, false],
    [{ type: 'mobile' }, '+989123456789', '0912 345 6789', true],
    [{ type: 'text', required: false }, 'x', '', false],
  ])('with %j, a field shown for %j applies to %j: %s', (parent, equals, first, applies) => {
    const service = given(parent, equals)
    const without = validateRequestData(service, { first })
    expect(codesOf(without)).toEqual(applies ? ['more required'] : [])
    const filled = validateRequestData(service, { first, more: '7' })
    expect(filled.ok && filled.data.more).toBe(applies ? 7 : undefined)
  })

  it('a field that does not apply is neither validated nor unknown', () => {
    const service = given({ type: 'choice', options }, 'a')
    expect(validateRequestData(service, { first: 'b', more: { not: 'valid' } })).toEqual({
      ok: true,
      data: { first: 'b' },
    })
  })

  it('what depends on a field that does not apply does not apply', () => {
    const person = validateRequestData(allFields(), { ...TYPED, kind: 'person' })
    expect(person.ok && Object.keys(person.data)).not.toContain('vat_number')
  })
})

describe('large input', () => {
  const elapsed = (work: () => unknown): number => {
    const startedAt = performance.now()
    work()
    return performance.now() - startedAt
  }
  it.each<[string, Record<string, unknown>]>([
    ['10,000 unknown fields', Object.fromEntries(Array.from({ length: 10_000 }, (_, i) => [`f${i}`, 1]))],
    ['long texts', Object.fromEntries(Object.keys(TYPED).map((name) => [name, 'x'.repeat(1_000_000)]))],
    [
      'long lists',
      Object.fromEntries(Object.keys(TYPED).map((name) => [name, new Array(100_000).fill('a')])),
    ],
    [
      'long texts of digits and marks',
      Object.fromEntries(Object.keys(TYPED).map((name) => [name, '1 \u200f'.repeat(20_000)])),
    ],
  ])('%s are refused within a second', (_what, input) => {
    expect(elapsed(() => expect(validateRequestData(service, input).ok).toBe(false))).toBeLessThan(1000)
  })

  it('validation never throws, whatever JSON the fields contain', () => {
    const names = fc.constantFrom(...service.fields.map(({ name }) => name))
    fc.assert(
      fc.property(
        fc.dictionary(names, fc.jsonValue()),
        fc.dictionary(fc.string(), fc.jsonValue()),
        (known, others) => void validateRequestData(service, { ...others, ...known }),
      ),
    )
  })
})
