/**
 * Field types of forms: a schema that normalizes and validates the value, and the control that the form shows. A schema's
 * issue message is the `code` of a field error; its text is `field_error.{code}` in core/i18n/.
 */
import { z } from 'zod'
import { normalizeDigits, toLatinDigits, withoutInvisible } from '../domain/digits.ts'
import { readDate } from './field-date.ts'
import { readNumber } from './field-number.ts'

/** More than most field types need; longer values are not parsed. */
const MAX_CHARACTERS = 2_000
/** Of texts whose definition allows as many. */
export const MAX_TEXT_CHARACTERS = 10_000

/** Parsing JSON has changed an integer above 2^53. */
const hasLostDigits = (value: number): boolean => Number.isInteger(value) && !Number.isSafeInteger(value)

const given = z
  .union([z.string(), z.number()], { error: 'not_text' })
  .refine((value) => typeof value === 'string' || !hasLostDigits(value), {
    error: 'inexact_number',
    abort: true,
  })
  .transform(String)

const typed = given
  .transform((text) => text.trim())
  .refine((text) => text.length <= MAX_CHARACTERS, { error: 'too_long', abort: true })

/** Only the length that the definition allows limits these. */
const longText = (toText: (text: string) => string) =>
  given
    .refine((text) => text.length <= 2 * MAX_TEXT_CHARACTERS, { error: 'too_long', abort: true })
    .transform(toText)

const mobile = typed
  .transform(normalizeDigits)
  .transform((number) => number.replace(/^(?:\+98|0098)(?=9)/, '0'))
  .pipe(z.string().regex(/^09\d{9}$/, 'mobile_invalid'))

/** An international number has a "+" and its country code. */
const tel = typed
  .transform(normalizeDigits)
  .transform((number) => number.replace(/^00(?=[1-9])/, '+'))
  .pipe(z.string().regex(/^(?:\+[1-9]\d{4,14}|\d{5,15})$/, 'tel_invalid'))

/** The tenth digit of a national code is computed from the first nine. */
function hasCheckDigit(code: string): boolean {
  if (/^(\d)\1{9}$/.test(code)) return false
  const digits = [...code].map(Number)
  const rest = digits.slice(0, 9).reduce((sum, digit, i) => sum + digit * (10 - i), 0) % 11
  return digits[9] === (rest < 2 ? rest : 11 - rest)
}

const nationalCode = typed.transform(normalizeDigits).pipe(
  z
    .string()
    .regex(/^\d{10}$/, 'national_code_form')
    .refine((code) => !/^\d{10}$/.test(code) || hasCheckDigit(code), 'national_code_check_digit'),
)

const accountNumber = typed
  .transform(normalizeDigits)
  .pipe(z.string().regex(/^\d{10,16}$/, 'account_number_form'))

/** ISO 13616: the four leading characters are moved to the end, letters count from 10, and the rest by 97 is 1. */
function hasIbanCheckDigits(iban: string): boolean {
  const digits = [...iban.slice(4), ...iban.slice(0, 4)].map((character) => Number.parseInt(character, 36))
  return digits.reduce((rest, value) => (rest * (value > 9 ? 100 : 10) + value) % 97, 0) === 1
}

const iban = typed
  .transform((text) => normalizeDigits(text).toUpperCase())
  .pipe(
    z
      .string()
      .regex(/^[A-Z]{2}\d{2}[A-Z0-9]{11,30}$/, { error: 'iban_form', abort: true })
      .refine(hasIbanCheckDigits, 'iban_check_digits'),
  )

const webAddress = typed
  .transform((text) => (/^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `https://${text}`))
  .pipe(
    z.string().refine((text) => {
      if (!URL.canParse(text)) return false
      const url = new URL(text)
      return /^https?:$/.test(url.protocol) && url.hostname !== '' && !url.username && !url.password
    }, 'url_invalid'),
  )

const email = typed
  .transform((text) => withoutInvisible(text).trim())
  .pipe(z.string().max(254, { error: 'email_invalid', abort: true }).pipe(z.email('email_invalid')))

/** JSON has numbers that become infinite, which `z.number()` does not take. */
const anyNumber = z.custom<number>((value) => typeof value === 'number')

const number = z.union([z.string(), anyNumber], { error: 'not_text' }).transform((value, context) => {
  const read = readNumber(value)
  if (typeof read === 'number') return read
  context.addIssue({ code: 'custom', message: read })
  return z.NEVER
})

const date = typed.transform((text, context) => {
  const day = readDate(toLatinDigits(withoutInvisible(text)).trim())
  if (day === null) context.addIssue({ code: 'custom', message: 'date_invalid' })
  return day ?? z.NEVER
})

/** A form sends a checked box as its value, and an unchecked one not at all. */
const checkbox = z
  .union([z.boolean(), z.enum(['true', 'false'])], { error: 'checkbox_invalid' })
  .transform((value) => value === true || value === 'true')

/** A form sends a single chosen value as text. */
const choices = z.union([given.transform((value) => [value]), z.array(z.string())], {
  error: 'choice_invalid',
})

/** Attributes of an `<input>` or `<textarea>`. */
export interface InputAttributes {
  type: 'text' | 'email' | 'tel' | 'date' | 'password'
  inputmode?: string
  autocomplete?: string
  dir: 'ltr' | 'auto'
  /** The length of a valid value, where it is fixed: the width of the input is a hint. */
  size?: number
}

export interface FieldType {
  schema: z.ZodType<string | number | boolean | string[]>
  control: 'input' | 'textarea' | 'choice' | 'choices' | 'checkbox'
  /** Of a text, which can have lengths: how many characters it has at most where its definition does not say. */
  maxCharacters?: number
  /** Whether a definition can have a pattern for it. */
  canHavePattern?: true
  input: InputAttributes
}

const plain = { type: 'text', dir: 'auto' } as const

export const FIELD_TYPES = {
  text: {
    schema: longText((text) => text.replace(/[\r\n]+/g, ' ').trim()),
    control: 'input',
    maxCharacters: MAX_CHARACTERS,
    canHavePattern: true,
    input: plain,
  },
  multiline: {
    schema: longText((text) => text.replace(/\r\n?/g, '\n').trim()),
    control: 'textarea',
    maxCharacters: MAX_TEXT_CHARACTERS,
    canHavePattern: true,
    input: plain,
  },
  number: {
    schema: number,
    control: 'input',
    input: { type: 'text', inputmode: 'decimal', autocomplete: 'off', dir: 'ltr', size: 20 },
  },
  email: {
    schema: email,
    control: 'input',
    maxCharacters: MAX_CHARACTERS,
    canHavePattern: true,
    input: { type: 'email', inputmode: 'email', autocomplete: 'email', dir: 'ltr' },
  },
  tel: {
    schema: tel,
    control: 'input',
    maxCharacters: MAX_CHARACTERS,
    canHavePattern: true,
    input: { type: 'tel', inputmode: 'tel', autocomplete: 'tel', dir: 'ltr', size: 20 },
  },
  url: {
    schema: webAddress,
    control: 'input',
    maxCharacters: MAX_CHARACTERS,
    canHavePattern: true,
    input: { type: 'text', inputmode: 'url', autocomplete: 'url', dir: 'ltr' },
  },
  date: {
    schema: date,
    control: 'input',
    input: { type: 'date', autocomplete: 'off', dir: 'ltr' },
  },
  choice: { schema: typed, control: 'choice', input: plain },
  choices: { schema: choices, control: 'choices', input: plain },
  checkbox: { schema: checkbox, control: 'checkbox', input: plain },
  secret: {
    schema: longText((text) => text),
    control: 'input',
    maxCharacters: MAX_CHARACTERS,
    canHavePattern: true,
    input: { type: 'password', autocomplete: 'off', dir: 'ltr' },
  },
  mobile: {
    schema: mobile,
    control: 'input',
    canHavePattern: true,
    input: { type: 'text', inputmode: 'tel', autocomplete: 'tel', dir: 'ltr', size: 14 },
  },
  national_code: {
    schema: nationalCode,
    control: 'input',
    canHavePattern: true,
    input: { type: 'text', inputmode: 'numeric', autocomplete: 'off', dir: 'ltr', size: 14 },
  },
  account_number: {
    schema: accountNumber,
    control: 'input',
    canHavePattern: true,
    input: { type: 'text', inputmode: 'numeric', autocomplete: 'off', dir: 'ltr', size: 20 },
  },
  iban: {
    schema: iban,
    control: 'input',
    canHavePattern: true,
    input: { type: 'text', inputmode: 'text', autocomplete: 'off', dir: 'ltr', size: 40 },
  },
} satisfies Record<string, FieldType>
