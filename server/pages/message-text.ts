/** What was said about a request, as whoever looks at its page reads it. */

import { messagesOfService } from '../../core/catalog/service-messages.ts'
import type { PublicView } from '../../core/domain/record.ts'
import type { Locale } from '../../core/i18n/index.ts'
import { createLocalizer, type Localize } from '../../core/i18n/localize-message.ts'

export const localizerFor = (view: PublicView, locale: Locale): Localize =>
  createLocalizer(locale, messagesOfService(view.service_slug, locale))

/** Why a request failed; null where nobody said. `isOurs` where these are the very words that our texts have for it. */
export function describeFailure(
  view: PublicView,
  locale: Locale,
): { words: string | null; isStandardText: boolean } {
  const error = view.error_data
  if (!error) return { words: null, isStandardText: false }
  // Another program may have ended it and left beside it what was said before.
  const isLast = view.current_message === error.message
  const message = {
    message: error.message,
    message_key: (isLast && view.message_key) || error.code,
    message_params: view.message_params,
  }
  return {
    words: localizerFor(view, locale)(message) || null,
    isStandardText: localizerFor(view, 'en')({ ...message, message: null }) === error.message,
  }
}
