/**
 * From texts to words. Knows no catalogue, so the browser carries only the texts its page came with, and no parser
 * either: texts come parsed (compile.ts).
 */
import { IntlMessageFormat } from 'intl-messageformat'

type TextParams = Record<string, string | number>

/** Words for a key. @throws when a parameter that the message names is missing */
export type Translate<Key extends string = string> = (key: Key, params?: TextParams) => string

/** A text ready for use: words as they are, or the pieces of one that has parameters. */
export type Compiled = string | ReturnType<IntlMessageFormat['getAst']>

export function createFormatter<Key extends string>(
  locale: string,
  texts: Readonly<Record<Key, Compiled>>,
): Translate<Key> {
  const formats = new Map<Key, IntlMessageFormat>()
  return (key, params) => {
    const text: Compiled = texts[key]
    if (typeof text === 'string') return text
    let format = formats.get(key)
    if (!format) {
      format = new IntlMessageFormat(text, locale)
      formats.set(key, format)
    }
    return String(format.format(params))
  }
}
