/**
 * How deep JSON is nested. Parsers take any depth, but what then walks the value (JSON.stringify, Socket.IO, templates)
 * recurses and runs out of stack.
 */

/** More than anybody reads, and far less than any stack takes. */
export const MAX_DEPTH = 200

/** Counts brackets outside of strings, without parsing. */
export function isTooDeep(json: string): boolean {
  let depth = 0
  for (let i = 0; i < json.length; i++) {
    const char = json[i]
    if (char === '"') i = endOfString(json, i)
    else if (char === '[' || char === '{') {
      if (++depth > MAX_DEPTH) return true
    } else if (char === ']' || char === '}') depth--
  }
  return false
}

/** Where the string that begins here ends; where the text ends, for one that does not. */
function endOfString(json: string, start: number): number {
  for (let i = start + 1; i < json.length; i++) {
    if (json[i] === '\\') i++
    else if (json[i] === '"') return i
  }
  return json.length
}
