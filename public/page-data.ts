/** What the server hands over with a request page, and the words and the clock that follow from it. */
import { createFormatter, type Translate } from '../core/i18n/formatter.ts'
import type { LiveKey } from '../core/i18n/index.ts'
import { createLocalizer, type Localize } from '../core/i18n/localize-message.ts'
import type { PageData } from '../server/pages/request-model.ts'

export interface Page extends PageData {
  t: Translate<LiveKey>
  read: Localize
  /** Milliseconds by the server's clock: the viewer's may be minutes off. */
  clock(): number
}

/**
 * @param place the page's content, or anything in it
 * @returns null when it is about no request (any more)
 */
export function readPage(place: HTMLElement): Page | null {
  const block = place.closest('#main')?.querySelector('#page-data')
  if (!block?.textContent) return null
  const data = JSON.parse(block.textContent) as PageData
  const skew = data.now - Date.now()
  const lang = languageOf(place)
  return {
    ...data,
    t: createFormatter(lang, data.texts),
    read: createLocalizer(lang, data.messages),
    clock: () => Date.now() + skew,
  }
}

/** The language that the server wrote what is shown around here in: a browser that translates it changes `lang`. */
export const languageOf = (place: Element): string =>
  place.closest<HTMLElement>('[data-locale]')?.dataset.locale ?? 'en'
