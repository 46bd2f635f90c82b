/** The catalogues of texts, one file a language. A missing language is read in English. */
import { en } from './en.ts'
import { createFormatter, type Translate } from './format.ts'

export type Locale = 'en' | 'fa'
export type TextKey = keyof typeof en
/** What the browser needs to keep a request page up to date. */
export type LiveKey = Extract<TextKey, `live.${string}`>

export interface Texts {
  /** The language the words are in, which is not the one asked for where its catalogue is missing. */
  locale: Locale
  dir: 'ltr' | 'rtl'
  t: Translate<TextKey>
  live: Readonly<Record<LiveKey, string>>
}

type Catalogue = Readonly<Record<TextKey, string>>
const catalogues: Partial<Record<Locale, Catalogue>> & { en: Catalogue } = { en }
const made = new Map<Locale, Texts>()

export function createTexts(wanted: Locale): Texts {
  const locale = catalogues[wanted] ? wanted : 'en'
  let texts = made.get(locale)
  if (!texts) {
    const catalogue = catalogues[locale] ?? catalogues.en
    texts = {
      locale,
      dir: locale === 'fa' ? 'rtl' : 'ltr',
      t: createFormatter(locale, catalogue),
      live: liveTexts(catalogue),
    }
    made.set(locale, texts)
  }
  return texts
}

export const isTextKey = (key: string): key is TextKey => Object.hasOwn(en, key)

function liveTexts(catalogue: Catalogue): Record<LiveKey, string> {
  const live = Object.entries(catalogue).filter(([key]) => key.startsWith('live.'))
  return Object.fromEntries(live) as Record<LiveKey, string>
}
