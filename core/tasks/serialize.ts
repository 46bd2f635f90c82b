/** Serializes arguments and results: only values that JSON keeps unchanged, at most 1 MB. */
import { taskError } from './task-errors.ts'

const MAX_JSON_BYTES = 1024 * 1024

/** @throws TaskError `invalid_arguments`, `invalid_result`, `too_large` */
export function toJson(task: string, what: 'arguments' | 'result', value: unknown): string {
  const problem = findNonJson(value, what, new Set())
  if (problem) throw taskError(task, `invalid_${what}`, `${problem}, which is no JSON.`)
  const json = JSON.stringify(value ?? null)
  const bytes = Buffer.byteLength(json)
  if (bytes > MAX_JSON_BYTES)
    throw taskError(
      task,
      'too_large',
      `its ${what} have ${bytes} bytes; the maximum is ${MAX_JSON_BYTES} (1 MB).`,
    )
  return json
}

/** Describes the first value that JSON would lose or change; null when there is none. */
function findNonJson(value: unknown, path: string, ancestors: Set<object>): string | null {
  switch (typeof value) {
    case 'undefined':
    case 'string':
    case 'boolean':
      return null
    case 'number':
      return Number.isFinite(value) ? null : `${path} is ${value}`
    case 'object':
      break
    default:
      return `${path} is a ${typeof value}`
  }
  if (value === null) return null
  if (ancestors.has(value)) return `${path} contains itself`
  const prototype = Object.getPrototypeOf(value)
  if (!Array.isArray(value) && prototype !== Object.prototype && prototype !== null)
    return `${path} is a ${value.constructor?.name ?? 'special object'}`
  ancestors.add(value)
  for (const [key, inner] of Object.entries(value)) {
    const problem = findNonJson(inner, `${path}.${key}`, ancestors)
    if (problem) return problem
  }
  ancestors.delete(value)
  return null
}
