/** The data that the server embeds in a request page, with the texts and the clock made from them. */
import { createFormatter, type Translate } from '../core/i18n/formatter.ts'
import type { LiveKey } from '../core/i18n/index.ts'
import { createLocalizer, type Localize } from '../core/i18n/localize-message.ts'
import type { PageData } from '../server/pages/request-model.ts'

export interface Page extends PageData {
  t: Translate<LiveKey>
  read: Localize
  /** Milliseconds by the server's clock, since the viewer's may be minutes off. */
  clock(): number
}

/**
 * @param place the page's content, or an element in it
 * @returns null when the page shows no request
 */
export function readPage(place: HTMLElement): Page | null {
  const block = place.closest('#main')?.querySelector('#page-data')
  if (!block?.textContent) return null
  const data = JSON.parse(block.textContent) as PageData
  const skew = data.now - Date.now()
  const lang = serverLanguage(place)
  return {
    ...data,
    t: createFormatter(lang, data.texts),
    read: createLocalizer(lang, data.messages),
    clock: () => Date.now() + skew,
  }
}

/** The language of the server's text around an element. Not from `lang`, which a translating browser changes. */
export const serverLanguage = (place: Element): string =>
  place.closest<HTMLElement>('[data-locale]')?.dataset.locale ?? 'en'
