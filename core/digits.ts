/** People type numbers with the keyboard they have: ۰-۹, ٠-٩, with spaces, dashes and invisible direction marks. */

const EASTERN = /[\u06F0-\u06F9\u0660-\u0669]/g
const NOISE = /[\s\u200B-\u200F\u202A-\u202E\u2066-\u2069\u061C\uFEFF\u2010-\u2015\-()]/g

/** Persian and Arabic digits read as 0-9; everything else stays. */
export const latinDigits = (text: string): string =>
  text.replace(EASTERN, (d) => String(d.charCodeAt(0) & 0xf))

/** A number as typed, reduced to what it means: western digits without separators. */
export const plainNumber = (text: string): string => latinDigits(text).replace(NOISE, '')
