/** What was said under a key, in the language of whoever reads it. */
import { type CompiledMessage, createFormatter } from './formatter.ts'

/** Parameters of a text that each viewer reads in their own language. */
export type MessageParams = Record<string, string | number>

interface Said<Words> {
  /** As it was given. */
  message: Words
  message_key?: string
  message_params?: MessageParams
}

/**
 * The words of the key, else those given: any program may say anything, under a key that nobody knows or without what
 * its text needs. Never throws.
 */
export type Localize = <Words extends string | null>(said: Said<Words>) => string | Words

/** @param messages all that a service may say, by key */
export function createLocalizer(
  locale: string,
  messages: Readonly<Record<string, CompiledMessage>>,
): Localize {
  const t = createFormatter(locale, messages)
  return ({ message, message_key: key, message_params: params = {} }) => {
    if (key === undefined || !Object.hasOwn(messages, key)) return message
    return hasAllParams(messages[key] as CompiledMessage, params) ? t(key, params) : message
  }
}

/** Whether all that a text names is there, and numbers where it counts: "NaN pages" would be no message. */
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

/** The kinds of pieces, as ICU's parser numbers them. */
const LITERAL = 0
const NUMBER = 2
const PLURAL = 6
const POUND = 7
