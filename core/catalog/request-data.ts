/** Validates the data of a request by the fields of its service. */
import type { FieldError } from '../domain/errors.ts'
import type { Field } from './field-definition.ts'
import { fieldTypeOf, isEmpty, readFieldValue } from './field-value.ts'
import { isShown } from './show-when.ts'

export type Validated = { ok: true; data: Record<string, unknown> } | { ok: false; errors: FieldError[] }

const MAX_NAME_LENGTH = 100

/**
 * Reports all fields that are invalid, missing or unknown; valid values are returned typed and normalized. Optional fields
 * without a value are left out, except a checkbox, which is then `false`. Fields that do not apply (`show_when`) are left out
 * whatever they contain.
 */
export function validateRequestData(
  { fields }: { fields: readonly Field[] },
  input: Readonly<Record<string, unknown>>,
): Validated {
  const data: Record<string, unknown> = {}
  const errors: FieldError[] = []
  for (const field of fields) {
    if (!isShown(field, fields, data)) continue
    const error = readInto(data, field, Object.hasOwn(input, field.name) ? input[field.name] : undefined)
    if (error) errors.push(error)
  }
  const known = new Set(fields.map(({ name }) => name))
  for (const name of Object.keys(input)) {
    if (!known.has(name)) errors.push({ field: name.slice(0, MAX_NAME_LENGTH), code: 'unknown_field' })
  }
  return errors.length > 0 ? { ok: false, errors } : { ok: true, data }
}

function readInto(data: Record<string, unknown>, field: Field, value: unknown): FieldError | null {
  const isBox = field.type === 'checkbox'
  if (isEmpty(field.type, value) && !isBox) return field.required ? requiredError(field) : null
  const read = readFieldValue(field, isBox && isEmpty(field.type, value) ? false : value)
  if (!read.ok) return { field: field.name, ...read.fault }
  if (isBox && field.required && read.value === false) return requiredError(field)
  data[field.name] = read.value
  return null
}

/** What is missing is chosen, ticked or typed; the words depend on it. */
function requiredError({ name, type }: Field): FieldError {
  const { control } = fieldTypeOf(type)
  if (control === 'checkbox') return { field: name, code: 'required', params: { kind: 'checkbox' } }
  const isChoice = control === 'choice' || control === 'choices'
  return { field: name, code: 'required', ...(isChoice && { params: { kind: 'choice' } }) }
}
