/** Parses ICU messages, once, on the server: what it makes of them is all that pages carry. */
import { IntlMessageFormat } from 'intl-messageformat'
import type { CompiledMessage } from './formatter.ts'

/** What the formatter takes for granted where it is not said. */
const USUAL: Readonly<Record<string, unknown>> = { style: null, offset: 0, pluralType: 'cardinal' }

export function compile<Key extends string>(
  messages: Readonly<Record<Key, string>>,
): Readonly<Record<Key, CompiledMessage>> {
  const texts = Object.entries<string>(messages).map(([key, message]) => [key, compileOne(message)])
  return Object.fromEntries(texts)
}

function compileOne(message: string): CompiledMessage {
  // Texts are plain: a "<" in one is a character, never the beginning of markup.
  const pieces = new IntlMessageFormat(message, 'en', undefined, { ignoreTag: true }).getAst()
  const [first] = pieces
  if (pieces.length === 1 && first?.type === 0) return first.value
  return JSON.parse(JSON.stringify(pieces, (name, value) => (USUAL[name] === value ? undefined : value)))
}
