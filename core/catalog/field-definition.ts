/** A field of a service's form. */
import { z } from 'zod'
import { describeFieldFaults } from './field-rules.ts'
import { expectedValue } from './show-when.ts'
import { textSchema } from './text.ts'

export const FIELD_KINDS = [
  'text', 'multiline', 'number', 'email', 'tel', 'url', 'date', 'choice', 'choices', 'checkbox', 'secret',
  'mobile', 'national_code', 'account_number', 'iban',
] as const // biome-ignore format: a list
export type FieldKind = (typeof FIELD_KINDS)[number]

/** Fields of the call to a bot that is not the form's: `requestHash` is no valid name anyway, as is the form's own `_key`. */
const RESERVED_NAMES: ReadonlySet<string> = new Set(['otp'])

const name = z
  .string()
  .regex(/^[a-z][a-z0-9_]{0,63}$/, 'must be lower-case letters, digits and underscores, 64 at most')
const length = z.number().int().min(0).max(10_000)
const bound = z.union([z.number(), z.iso.date()], { error: 'must be a number, or a date such as 2026-01-31' })
const value = z.union([z.string().max(2000), z.number(), z.boolean(), z.array(z.string().max(100)).max(200)])

const shape = z.strictObject({
  name: name.refine((text) => !RESERVED_NAMES.has(text), 'is reserved for the code in the call to a bot'),
  type: z.enum(FIELD_KINDS),
  label: textSchema(100),
  hint: textSchema(300).optional(),
  example: z.string().max(200).optional().describe('A valid value, shown with the hint.'),
  required: z.boolean().default(true).describe('A required `checkbox` must be ticked.'),
  // A longer one is not worth compiling.
  pattern: z
    .strictObject({ regex: z.string().min(1).max(500, { abort: true }), message: textSchema(200) })
    .optional()
    .describe(
      'A regular expression (RE2 syntax) for the whole normalized value, and the error of a value that does not match.',
    ),
  min: bound.optional().describe('Bounds of a `number` or `date`.'),
  max: bound.optional(),
  min_length: length
    .optional()
    .describe('Bounds in characters of a `text`, `multiline`, `email`, `tel`, `url` or `secret`.'),
  max_length: length.optional(),
  default: value.optional().describe('What the empty form contains.'),
  autocomplete: z.string().max(100).optional().describe('The HTML attribute; the field type has a default.'),
  /** Of a `choice` or `choices`. */
  options: z
    .array(z.strictObject({ value: z.string().min(1).max(100), label: textSchema(200) }))
    .min(1)
    .max(200)
    .optional(),
  show_when: z
    .strictObject({ field: name, equals: value })
    .optional()
    .describe(
      'Shown, and required, only when an earlier field has this value; of `choices`, when it is among the chosen.',
    ),
})

export const fieldSchema = shape.superRefine((field, context) => {
  for (const { path, message } of describeFieldFaults(field))
    context.addIssue({ code: 'custom', path: [path], message })
})

export type Field = z.output<typeof fieldSchema>

type Complain = (path: (string | number)[], message: string) => void

/** What is wrong between the fields of a service. */
export function checkFields(fields: readonly Field[], complain: Complain): void {
  fields.forEach(({ name, show_when }, i) => {
    const earlier = fields.slice(0, i)
    if (earlier.some((other) => other.name === name)) complain(['fields', i, 'name'], 'is there twice')
    if (!show_when) return
    const other = earlier.find((each) => each.name === show_when.field)
    if (!other) complain(['fields', i, 'show_when', 'field'], 'must be a field before it')
    else if (other.type === 'secret') complain(['fields', i, 'show_when', 'field'], 'must not be a secret')
    // Without its own faults, such as a pattern that cannot be matched.
    else if (describeFieldFaults(other).length === 0 && expectedValue(show_when, earlier) === null)
      complain(['fields', i, 'show_when', 'equals'], `must be a value of the field ${other.name}`)
  })
}

/** The field for programs that make their own forms, property by property, so that none becomes public by accident. */
export const describeField = (field: Field) => ({
  name: field.name,
  type: field.type,
  label: field.label,
  hint: field.hint,
  example: field.example,
  required: field.required,
  pattern: field.pattern,
  min: field.min,
  max: field.max,
  min_length: field.min_length,
  max_length: field.max_length,
  default: field.default,
  autocomplete: field.autocomplete,
  options: field.options,
  show_when: field.show_when,
})
