/** What was said about a request, as whoever looks at its page reads it. */

import { messagesFor } from '../../core/catalog/service-messages.ts'
import type { PublicView } from '../../core/domain/record.ts'
import type { Locale } from '../../core/i18n/index.ts'
import { createReader, type ReadMessage } from '../../core/i18n/localize-message.ts'

export const readerOf = (view: PublicView, locale: Locale): ReadMessage =>
  createReader(locale, messagesFor(view.service_slug, locale))

/** Why a request failed; null where nobody said. `isOurs` where these are the very words that our texts have for it. */
export function whyFailed(view: PublicView, locale: Locale): { words: string | null; isOurs: boolean } {
  const error = view.error_data
  if (!error) return { words: null, isOurs: false }
  // Another program may have ended it and left beside it what was said before.
  const isLast = view.current_message === error.message
  const said = {
    message: error.message,
    message_key: (isLast && view.message_key) || error.code,
    message_params: view.message_params,
  }
  return {
    words: readerOf(view, locale)(said) || null,
    isOurs: readerOf(view, 'en')({ ...said, message: null }) === error.message,
  }
}
