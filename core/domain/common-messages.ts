/** Messages common to all services: `message.*` and the texts of request failures. */

import type { TextKey } from '../i18n/en.ts'
import type { CompiledMessage } from '../i18n/formatter.ts'
import { BUILT_IN, createTexts, type Locale } from '../i18n/index.ts'
import type { MessageParams } from '../i18n/localize-message.ts'
import { REQUEST_FAILURE_CODES, type RequestFailureCode } from './errors.ts'
import type { LocalizedMessage } from './message.ts'
import { kindOf } from './otp-data.ts'
import type { RequestRecord } from './record.ts'

type NameIn<Key extends string> = Key extends `message.${infer Name}` ? Name : never
/** A key as records and bots use it, without the catalogue's prefix `message.` or `error.`. */
export type CommonKey = NameIn<TextKey> | RequestFailureCode

const textKeys: ReadonlyMap<CommonKey, TextKey> = new Map([
  ...REQUEST_FAILURE_CODES.map((code) => [code, `error.${code}`] as const),
  ...(Object.keys(BUILT_IN.en.catalogue) as TextKey[])
    .filter((key) => key.startsWith('message.'))
    .map((key) => [key.slice('message.'.length) as CommonKey, key] as const),
])

/** All common messages of one language, by key. */
export const commonMessages = (locale: Locale): Record<CommonKey, CompiledMessage> => {
  const { texts } = createTexts(locale)
  return Object.fromEntries([...textKeys].map(([key, textKey]) => [key, texts[textKey]])) as Record<
    CommonKey,
    CompiledMessage
  >
}

/** A common message as records store it: English text, key and parameters. */
export const commonMessage = (key: CommonKey, params?: MessageParams): LocalizedMessage => ({
  message: createTexts('en').t(textKeys.get(key) as TextKey, params),
  message_key: key,
  ...(params && { message_params: params }),
})

/** The message of another attempt, until its bot reports. */
export const startingOver = ({
  attempt,
  max_attempts: max,
}: Pick<RequestRecord, 'attempt' | 'max_attempts'>): LocalizedMessage =>
  commonMessage('starting_over', { attempt, max })

type Asked = Pick<RequestRecord, 'otp_data'>

const isForCode = ({ otp_data }: Asked): boolean => kindOf(otp_data ?? {}) === 'code'

/** Of a question whose bot has no words for it. */
export const neededMessage = (asked: Asked): LocalizedMessage =>
  isForCode(asked) ? commonMessage('code_needed') : commonMessage('answer_needed')

/** Of an answer on its way to the bot. */
export const receivedMessage = (asked: Asked): LocalizedMessage =>
  isForCode(asked) ? commonMessage('code_received') : commonMessage('checking')

export const rejectionMessage = (asked: Asked): LocalizedMessage =>
  isForCode(asked) ? commonMessage('otp_rejected') : commonMessage('answer_rejected')
