/** Which properties of a field's definition go with its type, and with each other. */
import { type FieldValue, fieldTypeOf, isEmpty, readFieldValue, type ValueRules } from './field-value.ts'
import { MAX_TEXT_CHARACTERS } from './fields.ts'
import { describePatternFault } from './pattern.ts'

export interface FieldRules extends ValueRules {
  default?: FieldValue
  example?: string
  autocomplete?: string
}

interface DefinitionFault {
  path: keyof FieldRules
  message: string
}

/** Everything that is wrong with the definition of one field. */
export function describeFieldFaults(field: FieldRules): DefinitionFault[] {
  const faults = [
    ...optionFaults(field),
    ...boundFaults(field),
    ...lengthFaults(field),
    ...patternFaults(field),
    ...autocompleteFaults(field),
  ]
  // With wrong limits no value would be valid.
  return faults.length > 0 ? faults : valueFaults(field)
}

function optionFaults({ type, options }: FieldRules): DefinitionFault[] {
  const needsOptions = type === 'choice' || type === 'choices'
  if (!options) return needsOptions ? [{ path: 'options', message: `are required of a ${type}` }] : []
  if (!needsOptions) return [{ path: 'options', message: 'are for choice and choices only' }]
  const values = options.map(({ value }) => value)
  const faults: DefinitionFault[] = []
  if (new Set(values).size < values.length)
    faults.push({ path: 'options', message: 'must have different values' })
  if (values.some((value) => value.trim() !== value))
    faults.push({ path: 'options', message: 'must have values without spaces around them' })
  return faults
}

function boundFaults({ type, min, max }: FieldRules): DefinitionFault[] {
  const faults = Object.entries({ min, max }).flatMap(([path, bound]): DefinitionFault[] => {
    const message = bound === undefined ? null : boundFault(type, bound)
    return message === null ? [] : [{ path: path as 'min' | 'max', message }]
  })
  if (faults.length === 0 && min !== undefined && max !== undefined && min > max)
    faults.push({ path: 'min', message: 'must not be above max' })
  return faults
}

function boundFault(type: FieldRules['type'], bound: number | string): string | null {
  if (type === 'number') return typeof bound === 'number' ? null : 'must be a number'
  if (type === 'date') return typeof bound === 'string' ? null : 'must be a date such as 2026-01-31'
  return 'is for number and date only'
}

function lengthFaults({ type, min_length, max_length }: FieldRules): DefinitionFault[] {
  const { maxCharacters } = fieldTypeOf(type)
  if (maxCharacters === undefined)
    return Object.entries({ min_length, max_length })
      .filter(([, length]) => length !== undefined)
      .map(([path]) => ({
        path: path as 'min_length' | 'max_length',
        message: 'is for text, multiline, email, tel, url and secret only',
      }))
  const max = max_length ?? maxCharacters
  return min_length !== undefined && min_length > max
    ? [{ path: 'min_length', message: `must not be above max_length, which is ${max}` }]
    : []
}

function patternFaults({ type, pattern, max_length: max }: FieldRules): DefinitionFault[] {
  if (!pattern) return []
  const { canHavePattern, maxCharacters } = fieldTypeOf(type)
  if (!canHavePattern) return [{ path: 'pattern', message: `is not for a ${type}` }]
  const fault = describePatternFault(
    pattern,
    Math.min(max ?? maxCharacters ?? MAX_CODE_CHARACTERS, MAX_TEXT_CHARACTERS),
  )
  return fault === null ? [] : [{ path: 'pattern', message: fault }]
}

/** No number of an account, card or telephone is longer. */
const MAX_CODE_CHARACTERS = 40

function autocompleteFaults({ autocomplete }: FieldRules): DefinitionFault[] {
  return autocomplete === undefined || /^[a-z0-9-]+(?: [a-z0-9-]+)*$/.test(autocomplete)
    ? []
    : [{ path: 'autocomplete', message: 'must be lower-case words such as "given-name"' }]
}

function valueFaults(field: FieldRules): DefinitionFault[] {
  const faults: DefinitionFault[] = []
  for (const path of ['default', 'example'] as const) {
    const value = field[path]
    if (value === undefined) continue
    const { control } = fieldTypeOf(field.type)
    if (field.type === 'secret') faults.push({ path, message: 'is not for a secret' })
    else if (path === 'example' && control !== 'input' && control !== 'textarea')
      faults.push({ path, message: `is not for a ${field.type}` })
    else if (isEmpty(field.type, value) || !readFieldValue(field, value).ok)
      faults.push({ path, message: 'must be a valid value of the field' })
  }
  return faults
}
