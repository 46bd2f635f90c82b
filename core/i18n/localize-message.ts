/** Formats messages in the viewer's language. */
import { type CompiledMessage, createFormatter } from './formatter.ts'
import { localizeNumberText } from './localize-digits.ts'

/** Parameters of a message with a key. */
export type MessageParams = Record<string, string | number>

interface KeyedMessage<Text> {
  /** Used when the key cannot be. */
  message: Text
  message_key?: string
  message_params?: MessageParams
}

/**
 * The text of the key, else the given one: another program may use an unknown key, or leave out parameters of its text.
 * Never throws.
 */
export type Localize = <Text extends string | null>(message: KeyedMessage<Text>) => string | Text

/** @param messages all messages of a service, by key */
export function createLocalizer(
  locale: string,
  messages: Readonly<Record<string, CompiledMessage>>,
): Localize {
  const t = createFormatter(locale, messages)
  return ({ message, message_key: key, message_params: params = {} }) => {
    if (key === undefined || !Object.hasOwn(messages, key)) return message
    return hasAllParams(messages[key] as CompiledMessage, params)
      ? t(key, withDigits(locale, params))
      : message
  }
}

/** Telephone and account numbers as the page writes them. */
const withDigits = (locale: string, params: MessageParams): MessageParams =>
  Object.fromEntries(
    Object.entries(params).map(([name, value]) => [
      name,
      typeof value === 'string' ? localizeNumberText(locale, value) : value,
    ]),
  )

/** Whether every parameter of the text is given, and is finite where the text formats a number. */
function hasAllParams(text: CompiledMessage, params: MessageParams): boolean {
  if (typeof text === 'string') return true
  return text.every((piece) => {
    if (piece.type === LITERAL || piece.type === POUND) return true
    if (!Object.hasOwn(params, piece.value)) return false
    const isCounted = piece.type === NUMBER || piece.type === PLURAL
    if (isCounted && !Number.isFinite(params[piece.value])) return false
    return (
      !('options' in piece) || Object.values(piece.options).every(({ value }) => hasAllParams(value, params))
    )
  })
}

/** Types of syntax nodes, as numbered by the ICU parser. */
const LITERAL = 0
const NUMBER = 2
const PLURAL = 6
const POUND = 7
