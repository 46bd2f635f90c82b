/**
 * Questions to the submitter: as records store them, and their public part. They contain no secret: the answer has a key of
 * its own. The names say "otp" because a one-time code was the only kind at first, and the names are a contract.
 */

import type { MessageParams } from '../i18n/localize-message.ts'
import type { IsoTime } from './iso-time.ts'

/** `image` is a picture to read, such as a captcha. */
export const QUESTION_KINDS = ['code', 'text', 'choice', 'confirm', 'image'] as const
export type QuestionKind = (typeof QUESTION_KINDS)[number]

/** One text for all languages, or one by language. */
type Label = string | Readonly<Record<string, string>>

export interface AnswerOption {
  value: string
  label: Label
}

/** What differs by kind. */
export interface QuestionDetails {
  /** Of a `text`: the most characters of the answer. */
  max_length?: number
  /** Of a `choice`: the possible answers. */
  options?: readonly AnswerOption[]
  /** Of a `confirm`: the words on the button that answers "yes". */
  confirm_label?: Label
  /** Of a `confirm`: the words on the button that answers "no". */
  decline_label?: Label
}

/** An open question, as the public view shows it. */
export interface OtpPrompt extends QuestionDetails {
  id: string
  kind: QuestionKind
  /** Number of characters of the code; null when the bot does not know it, and for other kinds. */
  length: number | null
  charset: 'digits'
  /** The masked recipient of the code: `0912***4567`. */
  sent_to: string | null
  message: string | null
  message_key?: string
  message_params?: MessageParams
  expires_at: IsoTime
  /** Null when the bot does not support resending. */
  resend_available_at: IsoTime | null
  /** How often another code may still be asked for; null when the bot does not support it. */
  resends_left: number | null
  /** The submitter requested another code, and the bot has not sent the next prompt yet. */
  resend_requested: boolean
  attempts_left: number
  /** Set when the last answer was wrong. */
  error: { code: 'otp_rejected'; message: string } | null
  /** Of an `image`: the address of the picture, relative to the server. */
  image_url?: string
}

/** The prompt as the record stores it, with the internal state of its rules. */
export interface StoredOtpPrompt extends Omit<OtpPrompt, 'kind' | 'image_url' | 'resends_left'> {
  /** Absent for a code. */
  kind?: QuestionKind
  /** The picture as a `data:` address until the store has written it to its own key; then `has_image`. */
  image?: string
  has_image?: boolean
  requested_at: IsoTime
  /** Number of resends that the submitter requested, over all prompts of the request. */
  resends: number
  /** The bot has ended its call: it is called again with the answer. */
  recall: boolean
}

/** Of codes per request, of other questions each. */
export const MAX_RESENDS = 5

export const kindOf = ({ kind }: { kind?: QuestionKind }): QuestionKind => kind ?? 'code'

/**
 * Limits of codes per request, over all its prompts. They outlive a prompt, which a new attempt deletes and another program
 * may replace. Other kinds have limits per question.
 */
export interface OtpLimits
  extends Pick<StoredOtpPrompt, 'attempts_left' | 'resends' | 'resend_available_at'> {
  /** Id of the last try whose outcome is unknown, as counted for its subject (core/store/subject-limits.ts). */
  last_try?: string
}

/** What everyone who knows the hash may see of it, built field by field as the public view. */
export function toPublicPrompt(prompt: StoredOtpPrompt | null, hash: string): OtpPrompt | null {
  if (!prompt) return null
  const { message_key, message_params } = prompt
  return {
    id: prompt.id,
    kind: kindOf(prompt),
    length: prompt.length,
    charset: prompt.charset,
    ...questionDetails(prompt),
    ...(prompt.has_image && { image_url: imageUrl(hash, prompt.id) }),
    sent_to: prompt.sent_to,
    message: prompt.message,
    ...(message_key !== undefined && { message_key }),
    ...(message_params !== undefined && { message_params }),
    expires_at: prompt.expires_at,
    resend_available_at: prompt.resend_available_at,
    resends_left: prompt.resend_available_at === null ? null : Math.max(0, MAX_RESENDS - prompt.resends),
    resend_requested: prompt.resend_requested,
    attempts_left: prompt.attempts_left,
    error: prompt.error,
  }
}

/** With the id of the prompt, so that the picture of a renewed question is not taken for the one before. */
const imageUrl = (hash: string, id: string): string =>
  `/api/local-requests/${hash}/otp/image?id=${encodeURIComponent(id)}`

export function questionDetails({
  max_length,
  options,
  confirm_label,
  decline_label,
}: QuestionDetails): QuestionDetails {
  return {
    ...(max_length !== undefined && { max_length }),
    ...(options !== undefined && { options }),
    ...(confirm_label !== undefined && { confirm_label }),
    ...(decline_label !== undefined && { decline_label }),
  }
}
