/**
 * Fields of a record that this version does not know: a newer version or another program stores them. Writes of this version
 * keep them, and they are never shown.
 */
import { FIELDS } from './record-fields.ts'

/** Limit of all unknown fields together; above it they are dropped. */
const MAX_CHARACTERS = 16_384

/** @param known names of the known fields */
export function unknownFields(given: object, known: ReadonlySet<string> = FIELDS): Record<string, unknown> {
  const unknown = Object.entries(given).filter(([name]) => !known.has(name) && name !== '__proto__')
  if (unknown.length === 0 || JSON.stringify(unknown).length > MAX_CHARACTERS) return {}
  return Object.fromEntries(unknown)
}

/** `read` with the unknown fields of `given`. */
export function withUnknownFields<T>(read: T, given: unknown, known: ReadonlySet<string>): T {
  if (!isObject(read) || !isObject(given)) return read
  return { ...unknownFields(given, known), ...read }
}

const isObject = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
