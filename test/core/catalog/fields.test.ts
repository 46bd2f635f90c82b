import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { validateRequestData } from '../../../core/catalog/request-data.ts'
import { extractOtp, normalizeDigits, toLatinDigits } from '../../../core/domain/digits.ts'
import { fieldOf, serviceWith } from '../../helpers/all-fields.ts'

const mobileField = fieldOf({ name: 'mobile', type: 'mobile' })
const credit = serviceWith(mobileField, fieldOf({ name: 'national_code', type: 'national_code' }))
const links = serviceWith(fieldOf({ name: 'url', type: 'url' }))
const statement = serviceWith(fieldOf({ name: 'account_number', type: 'account_number' }), mobileField)
const MOBILE = '09123456789'
const CODE = '0012345679'

const persian = (text: string) => text.replace(/\d/g, (digit) => String.fromCharCode(0x06f0 + Number(digit)))
const arabic = (text: string) => text.replace(/\d/g, (digit) => String.fromCharCode(0x0660 + Number(digit)))
const read = (mobile: unknown, national_code: unknown = CODE) =>
  validateRequestData(credit, { mobile, national_code })
const url = (value: unknown) => validateRequestData(links, { url: value })
const codesOf = (answer: ReturnType<typeof read>) =>
  answer.ok ? [] : answer.errors.map(({ field, code }) => `${field} ${code}`)

describe('digits', () => {
  it('toLatinDigits converts Persian and Arabic digits', () => {
    expect(toLatinDigits('۰۱۲۳۴۵۶۷۸۹ ٠١٢٣٤٥٦٧٨٩ 0123456789 abc ۱')).toBe(
      '0123456789 0123456789 0123456789 abc 1',
    )
  })

  it('normalizeDigits removes separators and invisible characters between digits', () => {
    const noise = fc.constantFrom(
      '',
      ' ',
      '\u00a0',
      '-',
      '\u2011',
      '(',
      ')',
      '\u200c',
      '\u200e',
      '\u200f',
      '\u202a',
      '\u2066',
      '\ufeff',
      '\u061c',
    )
    const script = fc.constantFrom((text: string) => text, persian, arabic)
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.integer({ min: 0, max: 9 }), script, noise)), (typed) => {
        const text = typed.map(([digit, as, between]) => as(String(digit)) + between).join('')
        expect(normalizeDigits(text)).toBe(typed.map(([digit]) => digit).join(''))
      }),
    )
  })
})

describe('a code', () => {
  it.each([
    '123456', ' 123 456 ', '123-456', '12 34 56', 'G-123456', 'G‑123456', 'FB-123456 is your code', '１２３４５６', '۱۲۳۴۵۶', '\u2066123456\u2069',
    '\u202b۱۲۳۴۵۶\u202c', '123\u200b456', '<#> 123456 is your code for 2 minutes', 'Your code: 123-456. Do not share it.',
    'Your code is 123456.\n\n@example.com #123456', 'کد تأیید شما: ۱۲۳۴۵۶\nاعتبار: ۲ دقیقه', 'Code 123456, from 09121234567', 'Bank 30001234: code 123456, 10:45',
  ])('extractOtp finds the code of six digits in %j', (typed) => {
    expect(extractOtp(typed, 6)).toBe('123456')
  }) // biome-ignore format: a list

  it.each(['123456 or 654321', 'G-12345', 'no digits', '', '1234567', '12345', 'call 09121234567'])(
    'extractOtp does not guess a code of six digits in %j',
    (typed) => {
      expect(extractOtp(typed, 6)).toBe(normalizeDigits(typed))
    },
  )

  it('extractOtp returns the typed text for a code of unknown length', () => {
    expect(extractOtp('۱۲ ۳۴', null)).toBe('1234')
    expect(extractOtp('G-123456', null)).toBe('G123456')
  })
})

describe('a number in JSON', () => {
  it('a JSON number is accepted up to 2^53 - 1 and refused above, where digits are lost', () => {
    const readNumber = (account_number: unknown) =>
      validateRequestData(statement, { account_number, mobile: MOBILE })
    expect(readNumber(9007199254740991)).toMatchObject({
      ok: true,
      data: { account_number: '9007199254740991' },
    })
    expect(codesOf(readNumber(2 ** 53))).toEqual(['account_number inexact_number'])
    expect(readNumber('9007199254740993')).toMatchObject({ ok: true })
  })
})

describe('a mobile number', () => {
  it.each([
    MOBILE, '0912 345 6789', '0912-345-6789', persian(MOBILE), arabic(MOBILE), ` ${MOBILE} `, '+989123456789', '00989123456789',
    `\u202a${MOBILE}\u202c`, '\u200e0912\u200f3456789', persian('+98 (912) 345 6789'),
  ])('a mobile number typed as %s is accepted', (typed) => {
    expect(read(typed)).toEqual({ ok: true, data: { mobile: MOBILE, national_code: CODE } })
  }) // biome-ignore format: a list

  it.each(['0912345678', '091234567890', '08123456789', 'mobile', '0912345678x', '+19123456789', '９９'])(
    'the value %s is refused as a mobile number',
    (typed) => {
      expect(codesOf(read(typed))).toEqual(['mobile mobile_invalid'])
    },
  )
})

describe('a national code', () => {
  const right = fc.stringMatching(/^\d{9}$/).map((nine) => {
    const rest = [...nine].reduce((sum, digit, i) => sum + Number(digit) * (10 - i), 0) % 11
    return nine + (rest < 2 ? rest : 11 - rest)
  })
  const notRepeated = right.filter((code) => !/^(\d)\1{9}$/.test(code))

  it('a national code with its check digit is accepted in Latin, Persian and Arabic digits', () => {
    fc.assert(
      fc.property(notRepeated, (code) => {
        for (const typed of [code, persian(code), arabic(code)])
          expect(read(MOBILE, typed)).toMatchObject({ ok: true, data: { national_code: code } })
      }),
    )
  })

  it('a national code with a wrong check digit is refused', () => {
    fc.assert(
      fc.property(notRepeated, fc.integer({ min: 1, max: 9 }), (code, by) => {
        const wrong = code.slice(0, 9) + ((Number(code[9]) + by) % 10)
        expect(codesOf(read(MOBILE, wrong))).toEqual(['national_code national_code_check_digit'])
      }),
    )
  })

  it.each(['0000000000', '1111111111'])(
    'a national code of one repeated digit such as %s is refused',
    (code) => {
      expect(codesOf(read(MOBILE, code))).toEqual(['national_code national_code_check_digit'])
    },
  )

  it.each(['001234567', '00123456799', 'abcdefghij'])(
    'a value without ten digits such as %s is refused as national_code_form',
    (code) => {
      expect(codesOf(read(MOBILE, code))).toEqual(['national_code national_code_form'])
    },
  )
})

describe('a web address', () => {
  it.each([
    ['example.com/docs', 'https://example.com/docs'],
    ['http://example.com', 'http://example.com'],
    ['https://例え.jp/', 'https://例え.jp/'],
  ])('the web address %s is normalized to %s', (typed, plain) => {
    expect(url(typed)).toEqual({ ok: true, data: { url: plain } })
  })

  it.each([
    'ftp://example.com',
    'javascript:alert(1)//',
    'file:///etc/passwd',
    'http://',
    'https://user:secret@example.com',
    'not an address',
  ])('the value %s is refused as a web address', (typed) => {
    expect(codesOf(url(typed))).toEqual(['url url_invalid'])
  })

  it('a web address of more than 2000 characters is refused as too long', () => {
    expect(codesOf(url(`https://example.com/${'x'.repeat(2000)}`))).toEqual(['url too_long'])
  })
})

describe('a form', () => {
  it('validation reports all invalid, missing and unknown fields together', () => {
    const answer = validateRequestData(credit, {
      mobile: 'x',
      colour: 'red',
      __proto__: { a: 1 },
      constructor: 'x',
    })
    expect(codesOf(answer)).toEqual([
      'mobile mobile_invalid', 'national_code required', 'colour unknown_field', 'constructor unknown_field',
    ]) // biome-ignore format: a list
  })

  it.each([undefined, null, '', '   '])('the value %j counts as missing', (value) => {
    expect(codesOf(read(value))).toEqual(['mobile required'])
  })

  it.each([[[MOBILE]], [{}], [true]])('the value %j is refused as not_text', (value) => {
    expect(codesOf(read(value))).toEqual(['mobile not_text'])
  })

  it('validation never throws, whatever JSON a field contains', () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.string(), fc.jsonValue()),
        fc.jsonValue(),
        (input, mobile) => void validateRequestData(credit, { ...input, mobile }),
      ),
    )
  })
})
