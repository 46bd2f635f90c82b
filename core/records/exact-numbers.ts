/**
 * Numbers that change when JSON is parsed: whole ones beyond 2^53, which become a neighbour, and those without limits,
 * which become none. A result with one of them is refused by the place where it stands.
 */

const MAYBE = /\d{16}|[eE]\+?\d{3}/
const NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/
const INTEGER = /^-?\d+$/
const NUMBER_CHARACTER = /[\d.eE+-]/
/** Beyond this a number is written with an exponent, so that nobody takes its digits for exact. */
const MAX_PLAIN = 1e21

/** The same JSON with such numbers as strings of their digits: what other programs wrote is shown as they wrote it. */
export const quoteInexact = (json: string): string => (MAYBE.test(json) ? quote(json, '') : json)

/** Where in a field of a JSON object the first such number stands, as `data.lines[2].id`; null for none. */
export function inexactIn(json: string, field: string): string | null {
  if (!MAYBE.test(json)) return null
  // No text of anybody's begins so.
  const mark = '\u0001inexact\u0001'
  const marked = quote(json, '\\u0001inexact\\u0001')
  const value = (JSON.parse(marked) as Record<string, unknown>)[field]
  return pathTo(value, (part) => typeof part === 'string' && part.startsWith(mark), field)
}

/** Where in a value the first such number stands, or one that JSON does not have: NaN, Infinity, a BigInt. */
export const inexactAt = (value: unknown): string | null =>
  pathTo(value, (part) => {
    if (typeof part === 'bigint') return true
    if (typeof part !== 'number') return false
    if (!Number.isFinite(part)) return true
    return Number.isInteger(part) && !Number.isSafeInteger(part) && Math.abs(part) < MAX_PLAIN
  })

/** Told to whoever wrote the bot. */
export const inexactWords = (path: string): string =>
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

/** The first part that fits, depth first; values may be cyclic. */
function pathTo(root: unknown, fits: (value: unknown) => boolean, name = ''): string | null {
  const seen = new WeakSet<object>()
  const open: { value: unknown; path: string }[] = [{ value: root, path: name }]
  for (let next = open.pop(); next; next = open.pop()) {
    const { value, path } = next
    if (fits(value)) return path
    if (typeof value !== 'object' || value === null || seen.has(value)) continue
    seen.add(value)
    const parts = Object.entries(value).map(([key, part]) => ({
      value: part,
      path: Array.isArray(value) ? `${path}[${key}]` : path ? `${path}.${key}` : key,
    }))
    for (const part of parts.reverse()) open.push(part)
  }
  return null
}
