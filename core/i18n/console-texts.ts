/** The texts of the operators' console beside those of the pages. Languages other than the built-in ones have them in English. */
import { compile } from './compile-messages.ts'
import type { TextKey } from './en.ts'
import { type ConsoleKey, enConsole } from './en-console.ts'
import { faConsole } from './fa-console.ts'
import { createFormatter, type Translate } from './formatter.ts'
import { createTexts, type Locale, type Texts } from './index.ts'

export interface ConsoleTexts extends Pick<Texts, 'locale' | 'dir'> {
  t: Translate<TextKey | ConsoleKey>
}

const cache = new Map<Locale, ConsoleTexts>()

export function createConsoleTexts(locale: Locale): ConsoleTexts {
  let texts = cache.get(locale)
  if (!texts) {
    const { dir, texts: ofPages } = createTexts(locale)
    const catalogue = locale === 'fa' ? faConsole : enConsole
    texts = { locale, dir, t: createFormatter(locale, { ...ofPages, ...compile<ConsoleKey>(catalogue) }) }
    cache.set(locale, texts)
  }
  return texts
}
