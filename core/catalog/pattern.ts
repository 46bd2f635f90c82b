/**
 * Patterns of field definitions. RE2 matches in linear time, without lookaround and backreferences; the size of a pattern
 * times the length of the value is limited too, because both come from others.
 */
import { RE2JS } from 're2js'

interface Pattern {
  regex: string
}

/** About 50 ms of matching. */
const MAX_MATCH_STEPS = 1_000_000
/** About 50 ms of compiling: `a{1,1000}` is compiled to a thousand copies. */
const MAX_EXPANDED_CHARACTERS = 5_000

const compiled = new WeakMap<Pattern, RE2JS>()

function compilePattern(pattern: Pattern): RE2JS {
  let matcher = compiled.get(pattern)
  if (!matcher) {
    matcher = RE2JS.compile(pattern.regex)
    compiled.set(pattern, matcher)
  }
  return matcher
}

/** Whether it matches the whole value. */
export const matchesPattern = (pattern: Pattern, text: string): boolean =>
  compilePattern(pattern).testExact(text)

/** A quotation, a class of characters, a number of repetitions, or one character. */
const PIECE =
  /\\Q.*?(?:\\E|$)|\\[pPx]\{[^}]*\}|\\.|\[\^?\]?(?:\[:\^?\w+:\]|\\.|[^\]\\])*\]|\{\d+(?:,\d*)?\}|./gsu

/** How long the pattern is with all its repetitions written out. A class counts as one character. */
function expandedLength(regex: string): number {
  /** The lengths of the groups that are open, the pattern itself first. */
  const open = [0]
  let last = 0
  const add = (length: number): void => void open.push((open.pop() ?? 0) + length)
  for (const [piece] of regex.matchAll(PIECE)) {
    if (piece === '(') open.push(0)
    else if (piece === ')' && open.length > 1) {
      last = open.pop() ?? 0
      add(last)
    } else if (/^\{\d/.test(piece)) {
      const times = Math.max(1, ...(piece.match(/\d+/g) ?? []).map(Number))
      add(last * (times - 1))
      last *= times
    } else {
      last = piece.startsWith('\\Q') ? piece.length : 1
      add(last)
    }
  }
  return open.reduce((sum, length) => sum + length)
}

/**
 * @param maxCharacters of the values it is matched against
 * @returns what is wrong with the pattern; null when it can be used
 */
export function describePatternFault(pattern: Pattern, maxCharacters: number): string | null {
  if (expandedLength(pattern.regex) > MAX_EXPANDED_CHARACTERS)
    return `is too large: with its repetitions written out it must have at most ${MAX_EXPANDED_CHARACTERS} characters`
  try {
    const size = compilePattern(pattern).programSize()
    return size * maxCharacters <= MAX_MATCH_STEPS
      ? null
      : `is too large for values of ${maxCharacters} characters: shorten it, or set a max_length of at most ${Math.floor(MAX_MATCH_STEPS / size)}`
  } catch (error) {
    return `must be a regular expression in RE2 syntax (${(error as Error).message})`
  }
}
