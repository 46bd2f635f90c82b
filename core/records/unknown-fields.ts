/**
 * Fields that this version does not know: a newer version of ours keeps them in the record, or another program does. They
 * survive what this version writes, and are never shown.
 */
import { FIELDS } from './record-fields.ts'

/** More than a record needs beside its fields. What is longer together is left out. */
const MAX_CHARACTERS = 16_384

/** @param known names that are read elsewhere */
export function unknownFields(given: object, known: ReadonlySet<string> = FIELDS): Record<string, unknown> {
  const unknown = Object.entries(given).filter(([name]) => !known.has(name) && name !== '__proto__')
  if (unknown.length === 0 || JSON.stringify(unknown).length > MAX_CHARACTERS) return {}
  return Object.fromEntries(unknown)
}

/** What was read of something, with what it has beside. */
export function withUnknownFields<T>(read: T, given: unknown, known: ReadonlySet<string>): T {
  if (!isObject(read) || !isObject(given)) return read
  return { ...unknownFields(given, known), ...read }
}

const isObject = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
