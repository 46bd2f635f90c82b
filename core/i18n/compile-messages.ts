/** Parses ICU messages once, on the server. Pages carry only the parsed form, so the browser needs no parser. */
import { IntlMessageFormat } from 'intl-messageformat'
import type { CompiledMessage } from './formatter.ts'

/** Defaults of the formatter, left out of the parsed form. */
const DEFAULTS: Readonly<Record<string, unknown>> = { style: null, offset: 0, pluralType: 'cardinal' }

export function compile<Key extends string>(
  messages: Readonly<Record<Key, string>>,
): Readonly<Record<Key, CompiledMessage>> {
  const texts = Object.entries<string>(messages).map(([key, message]) => [key, compileOne(message)])
  return Object.fromEntries(texts)
}

function compileOne(message: string): CompiledMessage {
  // Most messages have no syntax, and every process parses the catalogue when it starts.
  if (!/[{}']/.test(message)) return message
  // Messages are plain text: a "<" is a character, never markup.
  const pieces = new IntlMessageFormat(message, 'en', undefined, { ignoreTag: true }).getAst()
  const [first] = pieces
  if (pieces.length === 1 && first?.type === 0) return first.value
  return JSON.parse(JSON.stringify(pieces, (name, value) => (DEFAULTS[name] === value ? undefined : value)))
}
