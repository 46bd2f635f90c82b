/**
 * The message of a request: English text, and optionally a key and parameters by which each viewer reads it in their own
 * language. A key belongs to its text: when another program changes the text and leaves the key, the key is dropped.
 */
import { z } from 'zod'
import type { MessageParams } from '../i18n/localize-message.ts'
import type { RequestRecord } from './record.ts'
import type { RequestFailure } from './request-failure.ts'

/** Text, in English where it has a key; the key names a message of the service or a common one. */
export interface LocalizedMessage {
  message: string
  message_key?: string
  message_params?: MessageParams
}

export const toLocalizedMessage = (message: string | LocalizedMessage): LocalizedMessage =>
  typeof message === 'string' ? { message } : message

/** The localizable message of a failure; without a key its code is the key. */
export const failureMessage = ({
  error,
  message_key = error.code,
  message_params,
}: { error: RequestFailure } & Omit<LocalizedMessage, 'message'>): LocalizedMessage => ({
  message: error.message,
  message_key,
  message_params,
})

/** Whether the text has no visible character. */
export const isBlank = (text: string | undefined): boolean => !text || !/[^\s\p{C}]/u.test(text)

/** The given message; the standard one where it has neither text nor key. */
export const orStandard = (
  given: Partial<LocalizedMessage>,
  standard: LocalizedMessage,
): Partial<LocalizedMessage> => (isBlank(given.message) && given.message_key === undefined ? standard : given)

/** Key and parameters as another program may give them. An invalid one reads as absent. */
export const messageKeySchema = {
  message_key: z.string().max(200).optional().catch(undefined),
  message_params: z
    .record(z.string(), z.union([z.string(), z.number()]))
    .optional()
    .catch(undefined),
}

type StoredMessage = Pick<
  RequestRecord,
  'current_message' | 'message_key' | 'message_params' | 'message_fingerprint'
>

/** Replaces the message as a whole, so that a new text never keeps an old key. A blank text changes nothing. */
export function setMessage(
  next: RequestRecord,
  { message, message_key, message_params }: Partial<LocalizedMessage>,
): void {
  if (isBlank(message) && message_key === undefined) return
  if (message !== undefined && !isBlank(message)) next.current_message = message.slice(0, 2000)
  next.message_key = message_key
  next.message_params = message_params
  next.message_fingerprint = messageFingerprint(next)
}

/** The key of a message that another program wrote; none if it changed the text and left the key. */
export function trustedMessageKey(foreign: StoredMessage): Omit<StoredMessage, 'current_message'> {
  const { message_key, message_params, message_fingerprint } = foreign
  const present = messageFingerprint(foreign)
  const [text, key] = present?.split('.') ?? []
  const [textBefore, keyBefore] = message_fingerprint?.split('.') ?? []
  if (keyBefore === key && textBefore !== text)
    return { message_key: undefined, message_params: undefined, message_fingerprint: undefined }
  return { message_key, message_params, message_fingerprint: present }
}

/** Fingerprints of the text and of its key, as `text.key`; undefined without a key. */
function messageFingerprint({
  current_message,
  message_key,
  message_params,
}: StoredMessage): string | undefined {
  if (message_key === undefined) return undefined
  return `${fnv1a(current_message ?? '')}.${fnv1a(message_key + JSON.stringify(message_params ?? {}))}`
}

/** FNV-1a, 32 bits: detects a change, is no protection against an intended collision, and costs a tenth of SHA-1. */
function fnv1a(text: string): string {
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return (hash >>> 0).toString(36)
}
