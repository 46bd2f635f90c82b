/** People type numbers with the keyboard they have: ۰-۹, ٠-٩, ０-９, with spaces, dashes and invisible direction marks. */

const OTHER_DIGITS = /[\u06F0-\u06F9\u0660-\u0669\uFF10-\uFF19]/g
const INVISIBLE = /[\u00AD\u200B-\u200F\u202A-\u202E\u2060\u2066-\u2069\u061C\uFEFF]/g
const SEPARATOR = /[\s\u2010-\u2015\u2212\uFF0D\-()]/g

/** Digits of other scripts read as 0-9; everything else stays. */
export const toLatinDigits = (text: string): string =>
  text.replace(OTHER_DIGITS, (d) => String(d.charCodeAt(0) & 0xf))

/** A number as typed, reduced to what it means: western digits without separators. */
export const normalizeDigits = (text: string): string =>
  toLatinDigits(text).replace(INVISIBLE, '').replace(SEPARATOR, '')

const RUN = /\d+/g
/** Digits in groups, as a code is often written: `123-456`, `12 34 56`. */
const GROUPS = /\d+(?:[\s\u2010-\u2015\u2212\uFF0D-]\d+)+/g

/**
 * The code in what somebody typed or pasted, perhaps the whole message that brought it: where its length is known, the one
 * number of that many digits. What holds none, or several, is read as a number like any other.
 */
export function codeIn(text: string, length: number | null): string {
  const plain = normalizeDigits(text)
  if (length === null || (plain.length === length && !/\D/.test(plain))) return plain
  const readable = toLatinDigits(text).replace(INVISIBLE, '')
  for (const form of [RUN, GROUPS]) {
    const numbers = new Set((readable.match(form) ?? []).map(normalizeDigits))
    const codes = [...numbers].filter((number) => number.length === length)
    if (codes.length > 0) return codes.length === 1 ? (codes[0] as string) : plain
  }
  return plain
}

/** What is wrong with a typed code, without repeating it; null when nothing is. */
export function otpFault(typed: string, length: number | null): string | null {
  const code = codeIn(typed, length)
  if (!/^\d+$/.test(code)) return 'The code has digits only.'
  if (length !== null && code.length !== length)
    return `The code has ${length} digits; you typed ${code.length}.`
  return length === null && (code.length < 3 || code.length > 12) ? 'A code has 3 to 12 digits.' : null
}
