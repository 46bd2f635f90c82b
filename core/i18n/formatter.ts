/**
 * From texts to words. Knows no catalogue, so the browser carries only the texts its page came with, and no parser
 * either: texts come parsed (compile.ts).
 */
import { IntlMessageFormat } from 'intl-messageformat'

type MessageParams = Record<string, string | number>

/** Words for a key. @throws when a parameter that the message names is missing */
export type Translate<Key extends string = string> = (key: Key, params?: MessageParams) => string

/** A text ready for use: words as they are, or the pieces of one that has parameters. */
export type CompiledMessage = string | ReturnType<IntlMessageFormat['getAst']>

export function createFormatter<Key extends string>(
  locale: string,
  texts: Readonly<Record<Key, CompiledMessage>>,
): Translate<Key> {
  const formats = new Map<Key, IntlMessageFormat>()
  return (key, params) => {
    const text: CompiledMessage = texts[key]
    if (typeof text === 'string') return text
    let format = formats.get(key)
    if (!format) {
      format = new IntlMessageFormat(text, locale)
      formats.set(key, format)
    }
    return String(format.format(params))
  }
}
