/** A field of a service's form. */
import { z } from 'zod'
import { textSchema } from './text.ts'

export const FIELD_KINDS = [
  'text', 'multiline', 'number', 'email', 'tel', 'url', 'date', 'choice', 'choices', 'checkbox', 'secret',
  'mobile', 'national_code', 'account_number', 'iban',
] as const // biome-ignore format: a list
export type FieldKind = (typeof FIELD_KINDS)[number]

const name = z
  .string()
  .regex(/^[a-z][a-z0-9_]{0,63}$/, 'must be lower-case letters, digits and underscores, 64 at most')
const length = z.number().int().min(0).max(10_000)
const bound = z.union([z.number(), z.iso.date()], { error: 'must be a number, or a date such as 2026-01-31' })
const value = z.union([z.string().max(2000), z.number(), z.boolean(), z.array(z.string().max(100)).max(200)])

export const fieldSchema = z.strictObject({
  name,
  type: z.enum(FIELD_KINDS),
  label: textSchema(100),
  hint: textSchema(300).optional(),
  /** A valid value, shown below the input. */
  example: z.string().max(200).optional(),
  required: z.boolean().default(true),
  /** A regular expression (RE2 syntax) for the whole value, and the error of a value that does not match. */
  pattern: z.strictObject({ regex: z.string().min(1).max(500), message: textSchema(200) }).optional(),
  /** Bounds of a `number` or `date`. */
  min: bound.optional(),
  max: bound.optional(),
  /** Bounds in characters. */
  min_length: length.optional(),
  max_length: length.optional(),
  /** What the empty form contains. */
  default: value.optional(),
  /** The HTML attribute; the field type has a default. */
  autocomplete: z.string().max(100).optional(),
  /** Of a `choice` or `choices`. */
  options: z
    .array(z.strictObject({ value: z.string().min(1).max(100), label: textSchema(200) }))
    .min(1)
    .max(200)
    .optional(),
  /** Shown, and required, only when another field has this value. */
  show_when: z.strictObject({ field: name, equals: value }).optional(),
})

export type Field = z.output<typeof fieldSchema>
