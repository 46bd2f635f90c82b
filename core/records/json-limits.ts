/**
 * Counts what a JSON text is made of before it is parsed: parsing a million keys or brackets blocks the process for
 * seconds, this takes a millisecond a megabyte and makes no objects.
 */
export interface JsonLimits {
  /** Objects and lists inside each other. */
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
 * Whether a text is right, the parser says.
 *
 * @param json UTF-8
 * @returns the limit that is exceeded; null for none
 */
export function exceededLimit(json: Uint8Array, limits: JsonLimits): keyof JsonLimits | null {
  const { maxDepth, maxMembers, maxValues } = limits
  // Commas seen in each open object; NaN for a list, whose members only count in all.
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
      const inThis = (commas[depth] ?? 0) + 1
      if (inThis >= maxMembers) return 'maxMembers'
      commas[depth] = inThis
    }
  }
  return null
}

/** More than anybody reads, and far less than what walks a value (JSON.stringify, Socket.IO, templates) has stack for. */
export const MAX_STORED_DEPTH = 200

/** Whether a record or a result is nested too deep to be kept. */
export const isTooDeep = (json: string): boolean =>
  exceededLimit(Buffer.from(json), {
    maxDepth: MAX_STORED_DEPTH,
    maxMembers: Number.POSITIVE_INFINITY,
    maxValues: Number.POSITIVE_INFINITY,
  }) !== null
