/** A word of one script, in Persian with its zero-width non-joiners. */
const WORD =
  /^(?:\p{scx=Arab}+(?:\u200C\p{scx=Arab}+)*|\p{scx=Deva}+|\p{scx=Hebr}+|\p{scx=Thai}+|\p{scx=Hang}+|[\p{scx=Han}\p{scx=Hira}\p{scx=Kana}]+|(?:(?=\p{scx=Latn})[\p{Ll}\p{Lu}])+)$/u
/** Many of their letters look like Latin ones: shown only where there are none. */
const LOOKALIKE = /^(?:\p{scx=Cyrl}+|\p{scx=Grek}+)$/u
const STAYS_ENCODED = /(?!\u200C)[\p{Default_Ignorable_Code_Point}\p{Cc}\p{P}\p{S}]/u

/**
 * Decodes the words of a web address for display: `/سلام` for `/%D8%B3%D9%84%D8%A7%D9%85`. Invisible characters, punctuation,
 * symbols and letters that look like others stay encoded.
 */
export const readableAddress = (address: string): string =>
  address.replace(/[^/?#&=]+/g, (part) => {
    const hasLatin = /[a-z]/i.test(part.replace(/%[\da-f]{2}/gi, ''))
    return part.replace(/(?:%[89a-f][\da-f])+/gi, (encoded) => decodeWord(encoded, hasLatin))
  })

function decodeWord(encoded: string, hasLatin: boolean): string {
  try {
    const decoded = decodeURIComponent(encoded)
    const isWord = WORD.test(decoded) || (!hasLatin && LOOKALIKE.test(decoded))
    return isWord && !STAYS_ENCODED.test(decoded) && decoded.normalize('NFC') === decoded ? decoded : encoded
  } catch {
    return encoded
  }
}
