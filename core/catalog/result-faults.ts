/** Compares a result with its definition. The pages show what does not fit as plain values. */
import type { ResultDefinition, ResultField } from './result-definition.ts'
import {
  currencyName, currencyOf, findMisfit, isEmptyValue, isJsonObject, itemField, type JsonObject, ownValue,
} from './result-values.ts' // biome-ignore format: a list

const MAX_FAULTS = 20
/** Other names may be data, such as the key of a record. */
const SAFE_NAME = /^[A-Za-z][A-Za-z0-9_]{0,63}$/

/**
 * What in a result does not fit its definition, as `lines[2].amount: must be a number`; at most 20. Of the rows of a table and
 * the items of a list, only the first of each kind. Contains names, never values: it can be logged.
 */
export function findResultFaults(result: unknown, { fields }: ResultDefinition): string[] {
  if (fields.length === 0 || isEmptyValue(result)) return []
  if (!isJsonObject(result)) return ['result: must be an object']
  const faults = new Map<string, string>()
  const complain: Complain = (path, message, kind = path) => {
    if (!faults.has(`${kind} ${message}`)) faults.set(`${kind} ${message}`, `${path}: ${message}`)
  }
  checkObject(result, fields, [result], complain)
  return [...faults.values()].slice(0, MAX_FAULTS)
}

/** @param kind equal for faults of which only the first counts */
type Complain = (path: string, message: string, kind?: string) => void

function checkObject(
  object: JsonObject,
  fields: readonly ResultField[],
  siblings: readonly JsonObject[],
  complain: Complain,
  place: { path: string; kind: string } = { path: '', kind: '' },
): void {
  for (const field of fields) {
    const value = ownValue(object, field.name)
    const below = { path: place.path + field.name, kind: place.kind + field.name }
    if (!isEmptyValue(value)) checkValue(value, field, siblings, complain, below)
  }
  const names = new Set(
    fields.flatMap((field) => [field.name, currencyName(field) ?? field.name, field.total ?? field.name]),
  )
  for (const name of Object.keys(object))
    if (!names.has(name)) {
      const shown = SAFE_NAME.test(name) ? name : '(other name)'
      complain(place.path + shown, 'is not in the definition', place.kind + shown)
    }
}

function checkValue(
  value: unknown,
  field: ResultField,
  siblings: readonly JsonObject[],
  complain: Complain,
  { path, kind }: { path: string; kind: string },
): void {
  const misfit = findMisfit(value, field)
  if (misfit !== null) complain(path, misfit, kind)
  else if (field.type === 'money' && currencyName(field) !== null && currencyOf(field, siblings) === null)
    complain(path, `must have its currency as text in "${field.currency}"`, kind)
  if (misfit !== null || !Array.isArray(value)) return
  value.forEach((item, i) => {
    const below = { path: `${path}[${i}]`, kind: `${kind}[]` }
    if (field.type === 'list' && !isEmptyValue(item))
      checkValue(item, itemField(field), siblings, complain, below)
    if (field.type === 'table' && isJsonObject(item))
      checkObject(item, field.columns ?? [], [item, ...siblings], complain, {
        path: `${below.path}.`,
        kind: `${below.kind}.`,
      })
  })
}
