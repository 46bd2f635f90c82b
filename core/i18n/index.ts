/** The catalogues of texts, one file a language. */
import { compile } from './compile-messages.ts'
import { en, type TextKey } from './en.ts'
import { fa } from './fa.ts'
import { type CompiledMessage, createFormatter, type Translate } from './formatter.ts'

export type Locale = 'en' | 'fa'
/** What the browser needs to keep a request page up to date. */
export type LiveKey = Extract<TextKey, `live.${string}`>

interface Language {
  /** As its speakers call it. */
  name: string
  dir: 'ltr' | 'rtl'
  catalogue: Readonly<Record<TextKey, string>>
}

/** The first is for whoever asks for none of them. */
export const LANGUAGES: Readonly<Record<Locale, Language>> = {
  en: { name: 'English', dir: 'ltr', catalogue: en },
  fa: { name: 'فارسی', dir: 'rtl', catalogue: fa },
}
export const LOCALES = Object.keys(LANGUAGES) as Locale[]

export interface Texts {
  locale: Locale
  dir: 'ltr' | 'rtl'
  t: Translate<TextKey>
  texts: Readonly<Record<TextKey, CompiledMessage>>
  live: Readonly<Record<LiveKey, CompiledMessage>>
}

const made = new Map<Locale, Texts>()

export function createTexts(locale: Locale): Texts {
  let texts = made.get(locale)
  if (!texts) {
    const { dir, catalogue } = LANGUAGES[locale]
    const compiled = compile(catalogue)
    texts = { locale, dir, t: createFormatter(locale, compiled), texts: compiled, live: liveTexts(compiled) }
    made.set(locale, texts)
  }
  return texts
}

export const isTextKey = (key: string): key is TextKey => Object.hasOwn(en, key)

function liveTexts(texts: Texts['texts']): Texts['live'] {
  const live = Object.entries(texts).filter(([key]) => key.startsWith('live.'))
  return Object.fromEntries(live) as Texts['live']
}
