/** The messages of a request in the language of the viewer. */

import type { Service } from '../../core/catalog/service-definition.ts'
import { messagesOfService } from '../../core/catalog/service-messages.ts'
import type { PublicView } from '../../core/domain/record.ts'
import type { Locale } from '../../core/i18n/index.ts'
import { createLocalizer, type Localize } from '../../core/i18n/localize-message.ts'

export const localizerFor = (service: Service | undefined, locale: Locale): Localize =>
  createLocalizer(locale, messagesOfService(service, locale))

/** Why a request failed; `words` is null without a message. `isStandardText`: the message is the catalogue's own text. */
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
  return {
    words: localizerFor(service, locale)(message) || null,
    isStandardText: localizerFor(service, 'en')({ ...message, message: null }) === error.message,
  }
}
