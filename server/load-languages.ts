/**
 * The languages that LANGUAGES names. English and Persian are built in; any other is a file of LANGUAGES_FOLDER, such as
 * `de.json`: `{ "name": "Deutsch", "dir": "ltr", "texts": { "form.submit": "Senden", … } }`, with the keys of en.ts. A text that
 * it does not have is shown in English.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { compile } from '../core/i18n/compile-messages.ts'
import { BUILT_IN, isTextKey, type Language, type Locale } from '../core/i18n/index.ts'
import { StartupError } from '../core/runtime/startup-error.ts'

const fileSchema = z.strictObject({
  /** In the language itself. */
  name: z.string().min(1).max(50),
  dir: z.enum(['ltr', 'rtl']).default('ltr'),
  texts: z.record(z.string(), z.string()),
})

/** @throws StartupError naming the file and what is wrong with it */
export function loadLanguages(
  locales: readonly Locale[],
  folder: string | undefined,
): ReadonlyMap<Locale, Language> {
  return new Map(
    locales.map((locale) => [locale, BUILT_IN[locale as keyof typeof BUILT_IN] ?? loadFile(locale, folder)]),
  )
}

function loadFile(locale: Locale, folder: string | undefined): Language {
  if (folder === undefined)
    throw new StartupError(
      `LANGUAGES names "${locale}"; set LANGUAGES_FOLDER to the folder with ${locale}.json.`,
    )
  const file = join(folder, `${locale}.json`)
  const { name, dir, texts } = parseFile(file)
  const unknown = Object.keys(texts).filter((key) => !isTextKey(key))
  if (unknown.length > 0) throw new StartupError(`${file}: unknown texts: ${unknown.slice(0, 5).join(', ')}`)
  for (const [key, text] of Object.entries(texts)) {
    try {
      compile({ [key]: text })
    } catch (error) {
      throw new StartupError(`${file}: ${key} is not ICU message syntax: ${(error as Error).message}`)
    }
  }
  return { name, dir, catalogue: { ...BUILT_IN.en.catalogue, ...texts } }
}

function parseFile(file: string): z.output<typeof fileSchema> {
  let json: unknown
  try {
    json = JSON.parse(readFileSync(file, 'utf8'))
  } catch (error) {
    throw new StartupError(`${file} cannot be read: ${(error as Error).message}`)
  }
  const parsed = fileSchema.safeParse(json)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  throw new StartupError(`${file}: ${issue?.path.join('.')}: ${issue?.message}`)
}
