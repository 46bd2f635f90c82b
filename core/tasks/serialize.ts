/** What may travel: JSON, nothing that would arrive as something else, and not too much of it. */
import { taskError } from './task-errors.ts'

/** The most that arguments or a result may have, as JSON. */
export const MOST_BYTES = 1024 * 1024

/** @param what of the task: how a complaint calls it  @throws TaskError `invalid_arguments`, `invalid_result`, `too_large` */
export function toJson(task: string, what: 'arguments' | 'result', value: unknown): string {
  const odd = findNonJson(value, what, new Set())
  if (odd) throw taskError(task, `invalid_${what}`, `${odd}, which is no JSON.`)
  const json = JSON.stringify(value ?? null)
  const bytes = Buffer.byteLength(json)
  if (bytes > MOST_BYTES)
    throw taskError(
      task,
      'too_large',
      `its ${what} have ${bytes} bytes; ${MOST_BYTES} (1 MB) is the most that travels.`,
    )
  return json
}

/** What would be lost or changed on the way, in words; null when nothing would. */
function findNonJson(value: unknown, path: string, above: Set<object>): string | null {
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
  if (above.has(value)) return `${path} contains itself`
  const prototype = Object.getPrototypeOf(value)
  if (!Array.isArray(value) && prototype !== Object.prototype && prototype !== null)
    return `${path} is a ${value.constructor?.name ?? 'special object'}`
  above.add(value)
  for (const [key, inner] of Object.entries(value)) {
    const odd = findNonJson(inner, `${path}.${key}`, above)
    if (odd) return odd
  }
  above.delete(value)
  return null
}
