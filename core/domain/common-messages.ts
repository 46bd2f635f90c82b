/** What core, workers and bots say about any request, whatever the service: `message.*` and errors of requests. */

import type { TextKey } from '../i18n/en.ts'
import type { Compiled } from '../i18n/formatter.ts'
import { createTexts, LANGUAGES, type Locale } from '../i18n/index.ts'
import type { MessageParams } from '../i18n/localize-message.ts'
import { REQUEST_ERRORS, type RequestErrorCode } from './errors.ts'
import type { Told } from './message.ts'

type NameIn<Key extends string> = Key extends `message.${infer Name}` ? Name : never
/** As bots and records know them: without what says where the catalogue has them. */
export type CommonKey = NameIn<TextKey> | RequestErrorCode

const textKeys: ReadonlyMap<CommonKey, TextKey> = new Map([
  ...REQUEST_ERRORS.map((code) => [code, `error.${code}`] as const),
  ...(Object.keys(LANGUAGES.en.catalogue) as TextKey[])
    .filter((key) => key.startsWith('message.'))
    .map((key) => [key.slice('message.'.length) as CommonKey, key] as const),
])

/** By key, in one language. */
export const commonMessages = (locale: Locale): Record<CommonKey, Compiled> => {
  const { texts } = createTexts(locale)
  return Object.fromEntries([...textKeys].map(([key, textKey]) => [key, texts[textKey]])) as Record<
    CommonKey,
    Compiled
  >
}

/** Says it: the English words, and the key for everybody else. */
export const sayCommon = (key: CommonKey, params?: MessageParams): Told => ({
  message: createTexts('en').t(textKeys.get(key) as TextKey, params),
  message_key: key,
  ...(params && { message_params: params }),
})
