/** Reads the value of one field by its definition: typed, normalized and within its limits. */
import type { FieldError } from '../domain/errors.ts'
import { FIELD_TYPES, type FieldType } from './fields.ts'
import { matchesPattern } from './pattern.ts'
import type { Text } from './text.ts'

export type FieldValue = string | number | boolean | string[]

/** What a definition demands of a value. */
export interface ValueRules {
  type: keyof typeof FIELD_TYPES
  options?: readonly { value: string }[]
  min?: number | string
  max?: number | string
  min_length?: number
  max_length?: number
  pattern?: { regex: string; message: Text }
}

/** More than the options of any field; a longer list is not parsed. */
const MAX_CHOSEN = 1000

type Fault = Omit<FieldError, 'field'>
type ReadValue = { ok: true; value: FieldValue } | { ok: false; fault: Fault }

export const fieldTypeOf = (type: keyof typeof FIELD_TYPES): FieldType => FIELD_TYPES[type]

/** Whether nothing was given. Every character of a secret counts. */
export function isEmpty(type: ValueRules['type'], value: unknown): boolean {
  if (value === undefined || value === null) return true
  if (typeof value === 'string') return (type === 'secret' ? value : value.trim()) === ''
  return Array.isArray(value) && value.length === 0 && type === 'choices'
}

export function readFieldValue(rules: ValueRules, value: unknown): ReadValue {
  if (Array.isArray(value) && value.length > MAX_CHOSEN)
    return { ok: false, fault: { code: 'choice_invalid' } }
  const parsed = fieldTypeOf(rules.type).schema.safeParse(value)
  if (!parsed.success) return { ok: false, fault: { code: parsed.error.issues[0]?.message ?? 'invalid' } }
  const chosen = rules.type === 'choices' ? inOrderOfOptions(rules, parsed.data) : parsed.data
  const fault = findFault(rules, chosen)
  return fault ? { ok: false, fault } : { ok: true, value: chosen as FieldValue }
}

/** Each option once; null when one is none of them. */
function inOrderOfOptions({ options = [] }: ValueRules, value: FieldValue): string[] | null {
  const chosen = new Set(value as string[])
  const known = options.filter((option) => chosen.has(option.value)).map((option) => option.value)
  return known.length === chosen.size ? known : null
}

function findFault(rules: ValueRules, value: FieldValue | null): Fault | null {
  if (value === null) return { code: 'choice_invalid' }
  if (rules.type === 'choice' && !rules.options?.some((option) => option.value === value))
    return { code: 'choice_invalid' }
  if (typeof value === 'number' || rules.type === 'date') return outOfBounds(rules, value as number | string)
  return typeof value === 'string' ? (wrongLength(rules, value) ?? patternFault(rules, value)) : null
}

/** ISO dates compare as text. */
function outOfBounds({ min, max }: ValueRules, value: number | string): Fault | null {
  const isDate = typeof value === 'string'
  if (min !== undefined && value < min)
    return { code: isDate ? 'earlier_than' : 'less_than', params: { min } }
  if (max !== undefined && value > max) return { code: isDate ? 'later_than' : 'more_than', params: { max } }
  return null
}

function wrongLength(rules: ValueRules, text: string): Fault | null {
  const { maxCharacters } = fieldTypeOf(rules.type)
  if (maxCharacters === undefined) return null
  const { min_length: min = 0, max_length: max } = rules
  const length = countCharacters(text)
  if (max !== undefined && length > max) return { code: 'longer_than', params: { max } }
  if (max === undefined && length > maxCharacters) return { code: 'too_long' }
  return length < min ? { code: 'shorter_than', params: { min } } : null
}

/** An emoji outside the first plane is one character. */
const countCharacters = (text: string): number => {
  let count = 0
  for (const _ of text) count++
  return count
}

function patternFault({ pattern }: ValueRules, text: string): Fault | null {
  if (!pattern || matchesPattern(pattern, text)) return null
  return { code: 'pattern', message: pattern.message }
}
