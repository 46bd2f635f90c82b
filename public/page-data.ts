/** The data that the server embeds in a request page, with the texts and the clock made from them. */
import { createFormatter, type Translate } from '../core/i18n/formatter.ts'
import type { LiveKey } from '../core/i18n/index.ts'
import { createLocalizer, type Localize } from '../core/i18n/localize-message.ts'
import type { FormatClock } from '../core/presentation/arrival-text.ts'
import { timeFormat } from '../core/presentation/format-time.ts'
import type { PageData } from '../server/pages/request-model.ts'

export interface Page extends PageData {
  t: Translate<LiveKey>
  read: Localize
  /** Milliseconds by the server's clock, since the viewer's may be minutes off. */
  clock(): number
  clockTime: FormatClock
}

/**
 * @param place the page's content, or an element in it
 * @returns null when the page shows no request
 */
export function readPage(place: HTMLElement): Page | null {
  const block = place.closest('#main')?.querySelector('#page-data')
  if (!block) return null
  const data = JSON.parse(block.textContent as string)
  const skew = data.now - Date.now()
  const lang = serverLanguage(place)
  const clockTime = timeFormat(lang, 'time')
  return {
    // A page of the release before has no pace, whose total may be missing.
    pace: { typical: 60, steps: {}, queueSeconds: null },
    ...data,
    t: createFormatter(lang, data.texts),
    read: createLocalizer(lang, data.messages),
    clock: () => Date.now() + skew,
    // By the viewer's clock, which the time is compared with.
    // Never broken between the time and AM or PM.
    clockTime: (ms) => clockTime.format(ms - skew).replace(/\s/g, '\u00a0'),
  }
}

/** The language of the server's text around an element. Not from `lang`, which a translating browser changes. */
export const serverLanguage = (place: Element): string =>
  place.closest<HTMLElement>('[data-locale]')?.dataset.locale ?? 'en'
