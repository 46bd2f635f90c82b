/** Fields that depend on the value of an earlier field. */
import { type FieldValue, isEmpty, readFieldValue, type ValueRules } from './field-value.ts'

interface DependentField extends ValueRules {
  name: string
  show_when?: { field: string; equals: FieldValue }
}

/**
 * Whether the field applies. A field whose own condition is not met has no value, so what depends on it does not apply
 * either.
 * @param data the typed values of the earlier fields
 */
export function isShown(
  { show_when }: DependentField,
  fields: readonly DependentField[],
  data: Readonly<Record<string, unknown>>,
): boolean {
  if (!show_when) return true
  const expected = expectedValue(show_when, fields)
  const value = Object.hasOwn(data, show_when.field) ? data[show_when.field] : undefined
  // Of several choices, the expected ones are among the chosen.
  if (Array.isArray(expected)) return Array.isArray(value) && expected.every((each) => value.includes(each))
  return expected !== null && value === expected
}

/** The value of the condition as its field has it in the data; null when the field cannot have it. */
export function expectedValue(
  { field: name, equals }: { field: string; equals: FieldValue },
  fields: readonly DependentField[],
): FieldValue | null {
  const field = fields.find((other) => other.name === name)
  if (!field || isEmpty(field.type, equals)) return null
  const read = readFieldValue(field, equals)
  return read.ok ? read.value : null
}
