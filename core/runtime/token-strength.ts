/** Detects secrets that are easy to guess: examples from documents, common words, or little variety. */

/** Words of examples and of passwords typed in a hurry. Random text contains one only by rare chance. */
const COMMON_WORDS =
  /admin|another|asdfgh|benchmark|change|choose|default|development|enter|example|fault|halfway|insert|length|letmein|local|long|only|passphrase|passwd|password|placeholder|please|production|qwerty|random|replace|secret|secure|some(?:body|thing)?|super|test(?:ing|s)?|token|welcome|worker|your|zxcvbn/gi
/** Counted over the characters that are not part of such words. */
const MIN_CHARACTERS = 10
const MIN_DISTINCT = 6
/** Share of neighbours that count up or down, or repeat: `abcd`, `4321`, `aaaa`. */
const MAX_SEQUENCE_SHARE = 0.6

/** @returns what is weak about it, as the end of a sentence; null when it is strong */
export function findWeakness(secret: string): string | null {
  const rest = secret.replace(COMMON_WORDS, '').replace(/[-_. ]/g, '')
  if (rest.length < MIN_CHARACTERS) return 'is an example from documents, or made of common words'
  if (new Set(rest).size < MIN_DISTINCT) return 'has few different characters'
  if (shortestPeriod(rest) < MIN_CHARACTERS) return 'repeats a short pattern'
  if (sequenceShare(rest) > MAX_SEQUENCE_SHARE) return 'counts up or down'
  return null
}

/** @returns the length of the shortest text whose repetition starts with `text` */
function shortestPeriod(text: string): number {
  let period = 1
  while (!text.startsWith(text.slice(period))) period++
  return period
}

function sequenceShare(text: string): number {
  const codes = [...text].map((char) => char.charCodeAt(0))
  const near = codes.slice(1).filter((code, i) => Math.abs(code - (codes[i] as number)) <= 1)
  return near.length / (codes.length - 1)
}
