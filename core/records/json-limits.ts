/**
 * Checks depth and number of values of a JSON text before it is parsed: parsing a million keys or brackets blocks the process
 * for seconds; this takes a millisecond per megabyte and allocates no objects.
 */
export interface JsonLimits {
  /** Nested objects and lists. */
  maxDepth: number
  /** Members of one object. */
  maxMembers: number
  /** Members of all objects and lists. */
  maxValues: number
}

const QUOTE = 0x22
const COMMA = 0x2c
const BACKSLASH = 0x5c
const [OPEN_LIST, CLOSE_LIST, OPEN_OBJECT, CLOSE_OBJECT] = [0x5b, 0x5d, 0x7b, 0x7d]

/**
 * Does not validate the JSON: the parser does.
 *
 * @param json UTF-8
 * @returns the limit that is exceeded; null for none
 */
export function exceededLimit(json: Uint8Array, limits: JsonLimits): keyof JsonLimits | null {
  const { maxDepth, maxMembers, maxValues } = limits
  // Commas per open object; NaN for a list, whose members count only towards `maxValues`.
  const commas = new Float64Array(maxDepth + 1)
  let depth = 0
  let values = 1
  let isString = false
  for (let i = 0; i < json.length; i++) {
    const byte = json[i]
    if (isString) {
      if (byte === BACKSLASH) i++
      else if (byte === QUOTE) isString = false
    } else if (byte === QUOTE) isString = true
    else if (byte === OPEN_LIST || byte === OPEN_OBJECT) {
      if (++depth > maxDepth) return 'maxDepth'
      if (++values > maxValues) return 'maxValues'
      commas[depth] = byte === OPEN_LIST ? Number.NaN : 0
    } else if (byte === CLOSE_LIST || byte === CLOSE_OBJECT) {
      if (depth > 0) depth--
    } else if (byte === COMMA) {
      if (++values > maxValues) return 'maxValues'
      const members = (commas[depth] ?? 0) + 1
      if (members >= maxMembers) return 'maxMembers'
      commas[depth] = members
    }
  }
  return null
}

/** Far below the depth at which recursive code (JSON.stringify, Socket.IO, templates) overflows the stack. */
export const MAX_STORED_DEPTH = 200

/** Whether a record or a result is nested too deep to be stored. */
export const isTooDeep = (json: string): boolean =>
  exceededLimit(Buffer.from(json), {
    maxDepth: MAX_STORED_DEPTH,
    maxMembers: Number.POSITIVE_INFINITY,
    maxValues: Number.POSITIVE_INFINITY,
  }) !== null
