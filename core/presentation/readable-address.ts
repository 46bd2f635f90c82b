/** Letters, combining marks and digits, and the zero-width joiners within Persian and Indic words. */
const WORD = /^[\p{L}\p{M}\p{N}\u200C\u200D]+$/u

/**
 * A web address for people, with the letters of its own script: `/سلام` for `/%D8%B3%D9%84%D8%A7%D9%85`. Everything else stays
 * encoded, so that no address looks like another one.
 */
export const readableAddress = (address: string): string =>
  address.replace(/(?:%[89a-f][\da-f])+/gi, (encoded) => {
    try {
      const decoded = decodeURIComponent(encoded)
      return WORD.test(decoded) ? decoded : encoded
    } catch {
      return encoded
    }
  })
