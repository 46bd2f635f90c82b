/**
 * Field types of forms: a schema that normalizes and validates the value, and the attributes of the `<input>`. A schema's
 * issue message is the `code` of a field error; its text is `field_error.{code}` in core/i18n/.
 */
import { z } from 'zod'
import { normalizeDigits } from '../domain/digits.ts'

/** More than any field type needs; longer values are not parsed. */
const MAX_CHARACTERS = 2_000

/** Parsing JSON has changed an integer above 2^53. */
const hasLostDigits = (value: number): boolean => Number.isInteger(value) && !Number.isSafeInteger(value)

const typed = z
  .union([z.string(), z.number()], { error: 'not_text' })
  .refine((value) => typeof value === 'string' || !hasLostDigits(value), {
    error: 'inexact_number',
    abort: true,
  })
  .transform((value) => String(value).trim())
  .refine((value) => value.length <= MAX_CHARACTERS, { error: 'too_long', abort: true })

const mobile = typed
  .transform(normalizeDigits)
  .transform((number) => number.replace(/^(?:\+98|0098)(?=9)/, '0'))
  .pipe(z.string().regex(/^09\d{9}$/, 'mobile_invalid'))

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

const webAddress = typed
  .transform((text) => (/^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `https://${text}`))
  .pipe(
    z.string().refine((text) => {
      if (!URL.canParse(text)) return false
      const url = new URL(text)
      return /^https?:$/.test(url.protocol) && url.hostname !== '' && !url.username && !url.password
    }, 'url_invalid'),
  )

export interface FieldType {
  schema: z.ZodType<string>
  /** Attributes of the `<input>`. */
  input: {
    type: string
    inputmode: string
    autocomplete: string
    dir: 'ltr' | 'auto'
    /** The length of a valid value, where it is fixed: the width of the input is a hint. */
    size?: number
  }
}

export const FIELD_TYPES = {
  mobile: {
    schema: mobile,
    input: { type: 'text', inputmode: 'tel', autocomplete: 'tel', dir: 'ltr', size: 14 },
  },
  national_code: {
    schema: nationalCode,
    input: { type: 'text', inputmode: 'numeric', autocomplete: 'off', dir: 'ltr', size: 14 },
  },
  account_number: {
    schema: accountNumber,
    input: { type: 'text', inputmode: 'numeric', autocomplete: 'off', dir: 'ltr', size: 20 },
  },
  url: { schema: webAddress, input: { type: 'text', inputmode: 'url', autocomplete: 'url', dir: 'ltr' } },
} satisfies Record<string, FieldType>
