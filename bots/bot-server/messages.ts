/** Messages of a service that viewers read in their own language. */
import { type Text, textIn } from '../../core/catalog/text.ts'
import type { LocalizedMessage } from '../../core/domain/message.ts'
import { compile } from '../../core/i18n/compile-messages.ts'
import { createFormatter } from '../../core/i18n/formatter.ts'
import type { MessageParams } from '../../core/i18n/localize-message.ts'

/**
 * Builds messages of a definition by key. The English text, or the first one there is, is for viewers and programs that do
 * not know the key.
 *
 * @returns a function that throws TypeError for a key that the definition does not have
 */
export function messageBuilder<Key extends string>({
  messages,
}: {
  messages: Readonly<Record<Key, Text>>
}): (key: Key, params?: MessageParams) => LocalizedMessage {
  const texts = Object.entries<Text>(messages).map(([key, text]) => [key, textIn(text, 'en')])
  const t = createFormatter<Key>('en', compile<Key>(Object.fromEntries(texts)))
  return (key, params) => {
    if (!Object.hasOwn(messages, key))
      throw new TypeError(`The service has no message "${key}"; it has: ${Object.keys(messages).join(', ')}.`)
    return { message: t(key, params), message_key: key, ...(params && { message_params: params }) }
  }
}
