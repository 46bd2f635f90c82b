/** Normalizes typed numbers: digits of other scripts (۰-۹, ٠-٩, ０-９), spaces, dashes and invisible direction marks. */

const OTHER_DIGITS = /[\u06F0-\u06F9\u0660-\u0669\uFF10-\uFF19]/g
const INVISIBLE = /[\u00AD\u200B-\u200F\u202A-\u202E\u2060\u2066-\u2069\u061C\uFEFF]/g
const SEPARATOR = /[\s\u2010-\u2015\u2212\uFF0D\-()]/g

/** Replaces digits of other scripts by 0-9; everything else stays. */
export const toLatinDigits = (text: string): string =>
  text.replace(OTHER_DIGITS, (d) => String(d.charCodeAt(0) & 0xf))

/** Without direction marks and other characters of no width, which pasted text has. */
export const withoutInvisible = (text: string): string => text.replace(INVISIBLE, '')

/** A typed number as Latin digits without separators. */
export const normalizeDigits = (text: string): string =>
  withoutInvisible(toLatinDigits(text)).replace(SEPARATOR, '')

const DIGITS = /\d+/g
/** Digits in groups, as a code is often written: `123-456`, `12 34 56`. */
const GROUPED_DIGITS = /\d+(?:[\s\u2010-\u2015\u2212\uFF0D-]\d+)+/g

/**
 * Extracts the code from typed or pasted text, which may be the whole message that contained it. With a known length it is
 * the only number of that many digits; text with none, or with several, is returned normalized.
 */
export function extractOtp(text: string, length: number | null): string {
  const plain = normalizeDigits(text)
  if (length === null || (plain.length === length && !/\D/.test(plain))) return plain
  const readable = withoutInvisible(toLatinDigits(text))
  for (const pattern of [DIGITS, GROUPED_DIGITS]) {
    const numbers = new Set((readable.match(pattern) ?? []).map(normalizeDigits))
    const codes = [...numbers].filter((number) => number.length === length)
    if (codes.length > 0) return codes.length === 1 ? (codes[0] as string) : plain
  }
  return plain
}

/** Why a typed code is invalid, without repeating it; null when it is valid. */
export function describeOtpFault(typed: string, length: number | null): string | null {
  const code = extractOtp(typed, length)
  if (!/^\d+$/.test(code)) return 'The code has digits only.'
  if (length !== null && code.length !== length)
    return `The code has ${length} digits; you typed ${code.length}.`
  return length === null && (code.length < 3 || code.length > 12) ? 'A code has 3 to 12 digits.' : null
}
