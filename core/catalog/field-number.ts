/** Reads a number as people type it: with the digits, separators and minus signs of their keyboard. */
import { toLatinDigits, withoutInvisible } from '../domain/digits.ts'

/** A JSON number carries this many significant digits of any decimal. */
const MAX_DIGITS = 15
/** Longer text is no number that fits. */
const MAX_LENGTH = 100

const MINUS = /^[\u2010-\u2015\u2212\uFF0D]/
/** What separates groups of three and nothing else; a comma is read with care, because it is a decimal sign as well. */
const GROUP = /(?<=\d)[\u066C\s'](?=\d{3}(?!\d))/g
const COMMA_GROUPS = /^[+-]?\d{1,3}(?:,\d{3})+(?:\.\d+)?$/

/** @returns the number, or the code of the field error */
export function readNumber(value: string | number): number | 'number_invalid' | 'number_digits' {
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) return 'number_invalid'
    return Number.isInteger(value) && !Number.isSafeInteger(value) ? 'number_digits' : value + 0
  }
  if (value.length > MAX_LENGTH) return 'number_invalid'
  const latin = toLatinDigits(withoutInvisible(value)).trim().replace(MINUS, '-').replace('\u066B', '.')
  const ungrouped = latin.replace(GROUP, '')
  const plain = COMMA_GROUPS.test(ungrouped) ? ungrouped.replaceAll(',', '') : ungrouped
  if (!/^[+-]?(?:\d+(?:\.\d*)?|\.\d+)$/.test(plain)) return 'number_invalid'
  const number = Number(plain)
  const digits = plain.replace(/\D/g, '').replace(/^0+/, '')
  if (digits.length > MAX_DIGITS && !(Number.isSafeInteger(number) && !plain.includes('.')))
    return 'number_digits'
  // Minus zero is zero.
  return number + 0
}
