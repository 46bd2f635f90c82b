/**
 * Formats parsed messages (compile-messages.ts). Imports neither a catalogue nor a parser, so that the browser loads only the
 * messages of its page.
 */
import { IntlMessageFormat } from 'intl-messageformat'

type MessageParams = Record<string, string | number>

/**
 * Formats the message of a key. Returns an empty string for a missing key: a page of the previous release may lack one.
 *
 * @throws when a parameter is missing
 */
export type Translate<Key extends string = string> = (key: Key, params?: MessageParams) => string

/** A parsed message: plain text, or the syntax tree of a message with parameters. */
export type CompiledMessage = string | ReturnType<IntlMessageFormat['getAst']>

export function createFormatter<Key extends string>(
  locale: string,
  texts: Readonly<Record<Key, CompiledMessage>>,
): Translate<Key> {
  const formats = new Map<Key, IntlMessageFormat>()
  return (key, params) => {
    const text: CompiledMessage | undefined = texts[key]
    if (typeof text === 'string' || text === undefined) return text ?? ''
    let format = formats.get(key)
    if (!format) {
      format = new IntlMessageFormat(text, locale)
      formats.set(key, format)
    }
    return String(format.format(params))
  }
}
