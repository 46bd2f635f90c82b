/**
 * Finds numbers that parsing or writing JSON would change: integers beyond 2^53, which lose digits, and numbers beyond the
 * range of a double, which become null. A result that contains one is refused with its path.
 */

const MAY_BE_INEXACT = /\d{16}|[eE]\+?\d{3}/
const NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/
const INTEGER = /^-?\d+$/
const NUMBER_CHARACTER = /[\d.eE+-]/
/** From here JavaScript writes a number with an exponent, so its digits do not look exact. */
const MAX_PLAIN = 1e21

/** The JSON with such numbers as strings, so that the digits another program wrote are preserved. */
export const quoteInexact = (json: string): string => (MAY_BE_INEXACT.test(json) ? quote(json, '') : json)

/** Path of the first such number in a field of a JSON object, as `data.lines[2].id`; null for none. */
export function findInexactInJson(json: string, field: string): string | null {
  if (!MAY_BE_INEXACT.test(json)) return null
  // No real text starts with control characters.
  const mark = '\u0001inexact\u0001'
  const marked = quote(json, '\\u0001inexact\\u0001')
  const value = (JSON.parse(marked) as Record<string, unknown>)[field]
  return findPath(value, (part) => typeof part === 'string' && part.startsWith(mark), field)
}

/** Path of the first such number in a value, or of one that JSON cannot represent: NaN, Infinity, a BigInt. */
export const findInexact = (value: unknown): string | null =>
  findPath(value, (part) => {
    if (typeof part === 'bigint') return true
    if (typeof part !== 'number') return false
    if (!Number.isFinite(part)) return true
    return Number.isInteger(part) && !Number.isSafeInteger(part) && Math.abs(part) < MAX_PLAIN
  })

/** For the author of the bot. */
export const describeInexact = (path: string): string =>
  `The bot gave a number that JSON cannot carry exactly${path && ` at ${path}`}: send it as a string.`

function quote(json: string, prefix: string): string {
  let quoted = ''
  let done = 0
  for (let i = 0; i < json.length; i++) {
    const character = json[i] as string
    if (character === '"') i = endOfString(json, i)
    else if (/[\d-]/.test(character)) {
      let end = i + 1
      while (end < json.length && NUMBER_CHARACTER.test(json[end] as string)) end++
      const token = json.slice(i, end)
      if (isInexact(token)) {
        quoted += `${json.slice(done, i)}"${prefix}${token}"`
        done = end
      }
      i = end - 1
    }
  }
  return quoted + json.slice(done)
}

function isInexact(token: string): boolean {
  if (!NUMBER.test(token)) return false
  const number = Number(token)
  return !Number.isFinite(number) || (INTEGER.test(token) && !Number.isSafeInteger(number))
}

function endOfString(json: string, start: number): number {
  for (let i = start + 1; i < json.length; i++) {
    if (json[i] === '\\') i++
    else if (json[i] === '"') return i
  }
  return json.length
}

/** Path of the first matching value, depth first; values may be cyclic. */
function findPath(root: unknown, matches: (value: unknown) => boolean, name = ''): string | null {
  const seen = new WeakSet<object>()
  const pending: { value: unknown; path: string }[] = [{ value: root, path: name }]
  for (let next = pending.pop(); next; next = pending.pop()) {
    const { value, path } = next
    if (matches(value)) return path
    if (typeof value !== 'object' || value === null || seen.has(value)) continue
    seen.add(value)
    const parts = Object.entries(value).map(([key, part]) => ({
      value: part,
      path: Array.isArray(value) ? `${path}[${key}]` : path ? `${path}.${key}` : key,
    }))
    for (const part of parts.reverse()) pending.push(part)
  }
  return null
}
