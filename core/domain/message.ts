/**
 * What is said about a request: words, and where there is one the key under which each viewer reads them in their own
 * language. Key and parameters belong to their words: when these change, a key that stays behind says something else.
 */
import { hash } from 'node:crypto'
import { z } from 'zod'
import type { MessageParams } from '../i18n/localize-message.ts'
import type { RequestFailure, RequestRecord } from './record.ts'

/** Words, in English where they have a key, and what they are called in the texts of the service or the common ones. */
export interface LocalizedMessage {
  message: string
  message_key?: string
  message_params?: MessageParams
}

export const toLocalizedMessage = (message: string | LocalizedMessage): LocalizedMessage =>
  typeof message === 'string' ? { message } : message

/** What a failure says. */
export const toldOf = ({
  error,
  message_key = error.code,
  message_params,
}: { error: RequestFailure } & Omit<LocalizedMessage, 'message'>): LocalizedMessage => ({
  message: error.message,
  message_key,
  message_params,
})

/** Whether there is nothing to read in it. */
export const isBlank = (words: string | undefined): boolean => !words || !/[^\s\p{C}]/u.test(words)

/** Key and parameters as another program may give them; what is wrong is as if it were not there. */
export const messageKeySchema = {
  message_key: z.string().max(200).optional().catch(undefined),
  message_params: z
    .record(z.string(), z.union([z.string(), z.number()]))
    .optional()
    .catch(undefined),
}

type Said = Pick<RequestRecord, 'current_message' | 'message_key' | 'message_params' | 'message_seal'>

/** A message replaces the one before as a whole: a new text never keeps an old key. A blank one says nothing. */
export function setMessage(
  next: RequestRecord,
  { message, message_key, message_params }: Partial<LocalizedMessage>,
): void {
  if (isBlank(message) && message_key === undefined) return
  if (message !== undefined && !isBlank(message)) next.current_message = message.slice(0, 2000)
  next.message_key = message_key
  next.message_params = message_params
  next.message_seal = messageFingerprint(next)
}

/** The key of what another program wrote, or none where it changed the words and left our key beside them. */
export function trustedMessageKey(theirs: Said): Omit<Said, 'current_message'> {
  const { message_key, message_params, message_seal } = theirs
  const [words, key] = messageFingerprint(theirs)?.split('.') ?? []
  const [sealedWords, sealedKey] = message_seal?.split('.') ?? []
  if (sealedKey === key && sealedWords !== words)
    return { message_key: undefined, message_params: undefined, message_seal: undefined }
  return { message_key, message_params, message_seal: messageFingerprint(theirs) }
}

/** Two fingerprints, of the words and of their key; nothing where there is no key. */
function messageFingerprint({ current_message, message_key, message_params }: Said): string | undefined {
  if (message_key === undefined) return undefined
  return `${fingerprint(current_message)}.${fingerprint([message_key, message_params ?? {}])}`
}

/** Nobody gains by two texts that have the same: it need only be short, and quickly made. */
const fingerprint = (value: unknown): string => hash('sha1', JSON.stringify(value), 'base64url').slice(0, 8)
