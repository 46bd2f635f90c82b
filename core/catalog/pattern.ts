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

/**
 * @param maxCharacters of the values it is matched against
 * @returns what is wrong with the pattern; null when it can be used
 */
export function describePatternFault(pattern: Pattern, maxCharacters: number): string | null {
  try {
    const size = compilePattern(pattern).programSize()
    return size * maxCharacters <= MAX_MATCH_STEPS
      ? null
      : `is too large for values of ${maxCharacters} characters: shorten it, or set a max_length of at most ${Math.floor(MAX_MATCH_STEPS / size)}`
  } catch (error) {
    return `must be a regular expression in RE2 syntax (${(error as Error).message})`
  }
}
