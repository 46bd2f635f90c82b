/** The catalogues of texts, one file for each language. */
import { compile } from './compile-messages.ts'
import { en, type TextKey } from './en.ts'
import { fa } from './fa.ts'
import { type CompiledMessage, createFormatter, type Translate } from './formatter.ts'

/** A language tag in lower case, such as `en` or `pt-br`. */
export type Locale = string
/** Texts that the browser needs to update a request page. */
export type LiveKey = Extract<TextKey, `live.${string}`>

export interface Language {
  /** In the language itself. */
  name: string
  dir: 'ltr' | 'rtl'
  catalogue: Readonly<Record<TextKey, string>>
}

export const BUILT_IN: Readonly<Record<'en' | 'fa', Language>> = {
  en: { name: 'English', dir: 'ltr', catalogue: en },
  fa: { name: 'فارسی', dir: 'rtl', catalogue: fa },
}
let offered: ReadonlyMap<Locale, Language> = new Map(Object.entries(BUILT_IN))

/** The languages of the pages; the first is the default. */
export const languages = (): ReadonlyMap<Locale, Language> => offered

/** Sets the languages of this process, before it renders anything. */
export function offerLanguages(chosen: ReadonlyMap<Locale, Language>): void {
  offered = chosen
  cache.clear()
}

export interface Texts {
  locale: Locale
  dir: 'ltr' | 'rtl'
  t: Translate<TextKey>
  texts: Readonly<Record<TextKey, CompiledMessage>>
  live: Readonly<Record<LiveKey, CompiledMessage>>
}

const cache = new Map<Locale, Texts>()

export function createTexts(locale: Locale): Texts {
  let texts = cache.get(locale)
  if (!texts) {
    const { dir, catalogue } = offered.get(locale) ?? BUILT_IN.en
    const compiled = compile(catalogue)
    texts = { locale, dir, t: createFormatter(locale, compiled), texts: compiled, live: liveTexts(compiled) }
    cache.set(locale, texts)
  }
  return texts
}

export const isTextKey = (key: string): key is TextKey => Object.hasOwn(en, key)

function liveTexts(texts: Texts['texts']): Texts['live'] {
  const live = Object.entries(texts).filter(([key]) => key.startsWith('live.'))
  return Object.fromEntries(live) as Texts['live']
}
