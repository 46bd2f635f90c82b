/** Valid and invalid values of each field type, and limits of definitions. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { validateRequestData } from '../../../core/catalog/request-data.ts'
import { type FieldDefinition, fieldOf, serviceWith } from '../../helpers/all-fields.ts'

/** The value of the data; or the code of the error, with its parameters. */
function read(field: Partial<FieldDefinition>, value: unknown): unknown {
  const answer = validateRequestData(serviceWith(fieldOf(field)), { value })
  if (answer.ok) return { value: answer.data.value }
  return answer.errors.map(({ code, params }) => (params ? `${code} ${JSON.stringify(params)}` : code)).join()
}
const OPTIONS = ['a', 'b', 'c d'].map((value) => ({ value, label: value }))
const persian = (text: string) => text.replace(/\d/g, (digit) => String.fromCharCode(0x06f0 + Number(digit)))

describe('valid values', () => {
  it.each<[FieldDefinition['type'], unknown, unknown]>([
    ['text', ' a  b ', 'a  b'],
    ['text', 'a\r\nb', 'a b'],
    ['text', 12, '12'],
    ['text', 'سلام', 'سلام'],
    ['multiline', ' a\r\nb\rc\n', 'a\nb\nc'],
    ['number', 5, 5],
    ['number', '5', 5],
    ['number', ' -2.50 ', -2.5],
    ['number', '+7', 7],
    ['number', '۱۲٫۵', 12.5],
    ['number', '٣٤', 34],
    ['number', '۱٬۲۳۴٬۵۶۷', 1234567],
    ['number', '1,234,567.5', 1234567.5],
    ['number', "1'234 567", 1234567],
    ['number', '1\u00a0234\u202f567', 1234567],
    ['number', '\u2212۴', -4],
    ['number', '\u200e12', 12],
    ['number', '.5', 0.5],
    ['number', '-0', 0],
    ['number', '9007199254740991', 9007199254740991],
    ['email', ' Ada@Example.com ', 'Ada@Example.com'],
    ['email', '\u200eada@example.com', 'ada@example.com'],
    ['tel', '+44 (20) 7946-0018', '+442079460018'],
    ['tel', '0044 20 7946 0018', '+442079460018'],
    ['tel', '021 1234 5678', '02112345678'],
    ['tel', persian('+98 21 1234 5678'), '+982112345678'],
    ['tel', 12345, '12345'],
    ['url', 'example.com', 'https://example.com'],
    ['url', 'http://example.com/a?b', 'http://example.com/a?b'],
    ['date', '2024-02-29', '2024-02-29'],
    ['date', '2026/1/5', '2026-01-05'],
    ['date', persian('2026-01-31'), '2026-01-31'],
    ['secret', ' keeps spaces ', ' keeps spaces '],
    ['secret', '   ', '   '],
    ['mobile', '+98 912 345 6789', '09123456789'],
    ['national_code', '0012345679', '0012345679'],
    ['account_number', persian('1234567890'), '1234567890'],
    ['iban', 'GB82 WEST 1234 5698 7654 32', 'GB82WEST12345698765432'],
    ['iban', 'ir06-2960-0000-0010-0324-2000-01', 'IR062960000000100324200001'],
    ['iban', persian('IR062960000000100324200001'), 'IR062960000000100324200001'],
    ['iban', 'NO9386011117947', 'NO9386011117947'],
    ['iban', 'MT84MALT011000012345MTLCAST001S', 'MT84MALT011000012345MTLCAST001S'],
    ['checkbox', true, true],
    ['checkbox', 'true', true],
  ])('a %s of %j is %j', (type, value, expected) => {
    expect(read({ type }, value)).toEqual({ value: expected })
  })

  it.each<[FieldDefinition['type'], unknown, unknown]>([
    ['choice', 'a', 'a'],
    ['choice', ' c d ', 'c d'],
    ['choices', ['b', 'a'], ['a', 'b']],
    ['choices', ['a', 'a'], ['a']],
    ['choices', 'c d', ['c d']],
  ])('a %s of %j is %j', (type, value, expected) => {
    expect(read({ type, options: OPTIONS }, value)).toEqual({ value: expected })
  })
})

describe('invalid values', () => {
  it.each<[FieldDefinition['type'], unknown, string]>([
    ['text', ['a'], 'not_text'],
    ['text', {}, 'not_text'],
    ['text', true, 'not_text'],
    ['text', 2 ** 53, 'inexact_number'],
    ['number', 'abc', 'number_invalid'],
    ['number', '1e5', 'number_invalid'],
    ['number', '0x10', 'number_invalid'],
    ['number', '1,5', 'number_invalid'],
    ['number', '12,34', 'number_invalid'],
    ['number', '1.2.3', 'number_invalid'],
    ['number', 'Infinity', 'number_invalid'],
    ['number', Number.POSITIVE_INFINITY, 'number_invalid'],
    ['number', '9007199254740993', 'number_digits'],
    ['number', '0.1234567890123456', 'number_digits'],
    ['number', 2 ** 53, 'number_digits'],
    ['number', [1], 'not_text'],
    ['number', true, 'not_text'],
    ['email', 'ada', 'email_invalid'],
    ['email', 'ada@', 'email_invalid'],
    ['email', 'a b@example.com', 'email_invalid'],
    ['email', `${'a'.repeat(250)}@example.com`, 'email_invalid'],
    ['tel', '1234', 'tel_invalid'],
    ['tel', '1'.repeat(16), 'tel_invalid'],
    ['tel', '+0123456', 'tel_invalid'],
    ['tel', '12345x', 'tel_invalid'],
    ['url', 'javascript:alert(1)//', 'url_invalid'],
    ['date', '2023-02-29', 'date_invalid'],
    ['date', '2026-13-01', 'date_invalid'],
    ['date', '2026-04-31', 'date_invalid'],
    ['date', '31-01-2026', 'date_invalid'],
    ['date', '2026-01-31T00:00:00Z', 'date_invalid'],
    ['date', 20260131, 'date_invalid'],
    ['secret', ['a'], 'not_text'],
    ['mobile', '123', 'mobile_invalid'],
    ['national_code', '0012345678', 'national_code_check_digit'],
    ['account_number', '123', 'account_number_form'],
    ['iban', 'GB82WEST12345698765433', 'iban_check_digits'],
    ['iban', 'GB00WEST12345698765432', 'iban_check_digits'],
    ['iban', 'GB82WEST123456', 'iban_form'],
    ['iban', `GB82${'1'.repeat(31)}`, 'iban_form'],
    ['iban', '0123456789012345', 'iban_form'],
    ['iban', 'GB82WEST1234569876543*', 'iban_form'],
    ['checkbox', false, 'required {"kind":"checkbox"}'],
    ['checkbox', undefined, 'required {"kind":"checkbox"}'],
    ['checkbox', 'yes', 'checkbox_invalid'],
    ['checkbox', 1, 'checkbox_invalid'],
    ['checkbox', ['true', 'true'], 'checkbox_invalid'],
  ])('a %s of %j is refused as %s', (type, value, code) => {
    expect(read({ type }, value)).toBe(code)
  })

  it.each<[FieldDefinition['type'], unknown, string]>([
    ['choice', 'z', 'choice_invalid'],
    ['choice', '__proto__', 'choice_invalid'],
    ['choice', ['a'], 'not_text'],
    ['choice', '', 'required {"kind":"choice"}'],
    ['choices', ['a', 'z'], 'choice_invalid'],
    ['choices', ['a', 1], 'choice_invalid'],
    ['choices', {}, 'choice_invalid'],
    ['choices', [], 'required {"kind":"choice"}'],
  ])('a %s of %j is refused as %s', (type, value, code) => {
    expect(read({ type, options: OPTIONS }, value)).toBe(code)
  })

  it('a mistyped digit of an IBAN is refused', () => {
    const iban = 'GB82WEST12345698765432'
    fc.assert(
      fc.property(fc.integer({ min: 8, max: 21 }), fc.integer({ min: 1, max: 9 }), (at, by) => {
        const wrong = iban.slice(0, at) + ((Number(iban[at]) + by) % 10) + iban.slice(at + 1)
        expect(read({ type: 'iban' }, wrong)).toBe('iban_check_digits')
      }),
    )
  })

  it('every calendar date is accepted, and no other day', () => {
    const days = fc.date({ min: new Date('1600-01-01'), max: new Date('2999-12-31'), noInvalidDate: true })
    fc.assert(
      fc.property(days, (day) => {
        const iso = day.toISOString().slice(0, 10)
        expect(read({ type: 'date' }, iso)).toEqual({ value: iso })
      }),
    )
  })

  it('a number is read as it was written', () => {
    fc.assert(
      fc.property(fc.integer(), fc.integer({ min: 0, max: 999 }), (whole, fraction) => {
        const text = `${whole}.${String(fraction).padStart(3, '0')}`
        expect(read({ type: 'number' }, persian(text).replace('.', '٫'))).toEqual({ value: Number(text) + 0 })
      }),
    )
  })
})

describe('long values', () => {
  const accepted = (field: Partial<FieldDefinition>, length: number): boolean =>
    typeof read(field, 'x'.repeat(length)) === 'object'
  it.each<[Partial<FieldDefinition>, number]>([
    [{ type: 'text' }, 2000],
    [{ type: 'secret' }, 2000],
    [{ type: 'multiline' }, 10_000],
    [{ type: 'text', max_length: 5000 }, 5000],
  ])('a value of %j has up to %i characters', (field, longest) => {
    expect(accepted(field, longest)).toBe(true)
    expect(read(field, 'x'.repeat(longest + 1))).toBe(
      field.max_length === undefined ? 'too_long' : `longer_than {"max":${longest}}`,
    )
    expect(accepted(field, 60_000)).toBe(false)
  })

  it('a number of thousands of digits and a list of thousands of choices are refused', () => {
    expect(read({ type: 'number' }, '1'.repeat(60_000))).toBe('number_invalid')
    expect(read({ type: 'choices', options: OPTIONS }, new Array(100_000).fill('a'))).toBe('choice_invalid')
  })
})

describe('limits of a definition', () => {
  const pattern = { regex: 'a+|ab', message: { en: 'Only a', fa: 'فقط a' } }
  it.each<[Partial<FieldDefinition>, unknown, unknown]>([
    [{ min_length: 3 }, 'ab', 'shorter_than {"min":3}'],
    [{ min_length: 3 }, ' abc ', { value: 'abc' }],
    [{ max_length: 3 }, 'abcd', 'longer_than {"max":3}'],
    [{ max_length: 3 }, '😀😀😀', { value: '😀😀😀' }],
    [{ type: 'secret', min_length: 8 }, 'short', 'shorter_than {"min":8}'],
    [{ type: 'number', min: 1, max: 2 }, 1, { value: 1 }],
    [{ type: 'number', min: 1, max: 2 }, '2', { value: 2 }],
    [{ type: 'number', min: 1.5, max: 2 }, 1, 'less_than {"min":1.5}'],
    [{ type: 'number', min: 1, max: 2 }, '2.01', 'more_than {"max":2}'],
    [{ type: 'number', min: 0 }, -1, 'less_than {"min":0}'],
    [{ type: 'date', min: '2026-01-31' }, '2026-01-30', 'earlier_than {"min":"2026-01-31"}'],
    [{ type: 'date', max: '2026-01-31' }, '2026/2/1', 'later_than {"max":"2026-01-31"}'],
    [{ type: 'date', max: '2026-01-31' }, '2026-01-31', { value: '2026-01-31' }],
    [{ pattern }, 'ab', { value: 'ab' }],
    [{ pattern }, 'aab', 'pattern'],
    [{ pattern }, 'xaax', 'pattern'],
    [{ type: 'mobile', pattern: { ...pattern, regex: '0912.*' } }, '+98 935 123 4567', 'pattern'],
  ])('%j reads %j as %j', (field, value, expected) => {
    expect(read(field, value)).toEqual(expected)
  })

  it('the error of a pattern has the message of the definition', () => {
    const service = serviceWith(fieldOf({ pattern }))
    expect(validateRequestData(service, { value: 'b' })).toEqual({
      ok: false,
      errors: [{ field: 'value', code: 'pattern', message: pattern.message }],
    })
  })

  it('a pattern that backtracking engines take for ever on is matched at once', () => {
    const service = serviceWith(fieldOf({ pattern: { regex: '(a+)+b', message: 'x' } }))
    const startedAt = performance.now()
    const answer = validateRequestData(service, { value: 'a'.repeat(2000) })
    expect(answer.ok).toBe(false)
    expect(performance.now() - startedAt).toBeLessThan(2000)
  })
})
