/** Why an operator cancelled a request: words that the person reads. */

export const MAX_REASON_CHARACTERS = 200
/** Line breaks and other control characters, and those that turn the direction of what follows. Not the joiners of Persian. */
const UNWANTED = /[\p{Cc}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]+/gu

/** Plain text of one line. @returns undefined where nothing is left */
export function toCancelReason(text: string | undefined): string | undefined {
  const line = (text ?? '').replace(UNWANTED, ' ').replace(/ {2,}/g, ' ').trim()
  return [...line].slice(0, MAX_REASON_CHARACTERS).join('').trim() || undefined
}
