/** From ICU messages to words. Knows no catalogue, so the browser carries only the texts its page came with. */
import { IntlMessageFormat } from 'intl-messageformat'

type TextParams = Record<string, string | number>

/** Words for a key. @throws when a parameter that the message names is missing */
export type Translate<Key extends string = string> = (key: Key, params?: TextParams) => string

/** Each message is parsed once, when it is first used. */
export function createFormatter<Key extends string>(
  locale: string,
  messages: Readonly<Record<Key, string>>,
): Translate<Key> {
  const formats = new Map<Key, IntlMessageFormat>()
  return (key, params) => {
    let format = formats.get(key)
    if (!format) {
      // Texts are plain: a "<" in one is a character, never the beginning of markup.
      format = new IntlMessageFormat(messages[key], locale, undefined, { ignoreTag: true })
      formats.set(key, format)
    }
    return String(format.format(params))
  }
}
