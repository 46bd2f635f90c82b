/** Texts of a service: one string for all languages, or one by language. */
import { z } from 'zod'

/** Language tags in lower case: `en`, `fa`, `pt-br`. */
export type Text = string | Readonly<Record<string, string>>

/** @param maxLength of each language, in characters */
export const textSchema = (maxLength: number) => {
  const words = z.string().trim().min(1, 'must not be empty').max(maxLength)
  return z.union(
    [
      words,
      z
        .record(z.string().regex(/^[a-z]{2,3}(-[a-z0-9]{2,8})*$/, 'must be a language such as "en"'), words)
        .refine((byLanguage) => Object.keys(byLanguage).length > 0, 'must have at least one language'),
    ],
    { error: `must be a text of at most ${maxLength} characters, or an object of them by language` },
  )
}

/** The text in a language; where it has none, in English, else in the first language given. */
export function textIn(text: Text, locale: string): string {
  if (typeof text === 'string') return text
  return text[locale] ?? text.en ?? Object.values(text)[0] ?? ''
}
