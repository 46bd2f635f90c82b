/** The messages of a request in the language of the viewer. */

import type { Service } from '../../core/catalog/service-definition.ts'
import { messagesOfService } from '../../core/catalog/service-messages.ts'
import type { PublicView } from '../../core/domain/record.ts'
import type { Locale } from '../../core/i18n/index.ts'
import { createLocalizer, type Localize } from '../../core/i18n/localize-message.ts'

export const localizerFor = (service: Service | undefined, locale: Locale): Localize =>
  createLocalizer(locale, messagesOfService(service, locale))

/**
 * Why a request failed, in words of the catalogue or of the service's definition; null where the bot's have no translation.
 * `isStandardText`: the bot's message is that text in English.
 */
export function describeFailure(
  view: PublicView,
  service: Service | undefined,
  locale: Locale,
): { words: string | null; isStandardText: boolean } {
  const error = view.error_data
  if (!error) return { words: null, isStandardText: false }
  // Another program may have ended the request and left the key of an earlier message in its record.
  const isLast = view.current_message === error.message
  const message = {
    message: error.message,
    message_key: (isLast && view.message_key) || error.code,
    message_params: view.message_params,
  }
  const words = localizerFor(service, locale)({ ...message, message: null })
  const isStandardText = localizerFor(service, 'en')({ ...message, message: null }) === error.message
  return {
    words: words && (isStandardText || words !== error.message) ? asSentence(words) : words,
    isStandardText,
  }
}

/** The texts of errors are also headings, which have no full stop. */
const asSentence = (text: string): string => (/[\p{L}\p{N}]$/u.test(text) ? `${text}.` : text)
