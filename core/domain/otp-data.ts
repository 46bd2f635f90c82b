/** Prompts for one-time codes: as records store them, and their public part. They contain no secret: the code has a key of its own. */

import type { MessageParams } from '../i18n/localize-message.ts'
import type { IsoTime } from './iso-time.ts'

/** An open prompt for a one-time code, as the public view shows it. */
export interface OtpPrompt {
  id: string
  /** Number of characters of the code; null when the bot does not know it. */
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
  attempts_left: number
  /** Set when the last code was wrong. */
  error: { code: 'otp_rejected'; message: string } | null
}

/** The prompt as the record stores it, with the internal state of its rules. */
export interface StoredOtpPrompt extends OtpPrompt {
  requested_at: IsoTime
  /** Number of resends that the submitter requested, over all prompts of the request. */
  resends: number
  /** The bot has ended its call: it is called again with the code. */
  recall: boolean
  /** The submitter requested another code, and the bot has not sent the next prompt yet. */
  resend_requested: boolean
}

/**
 * Limits of codes per request, over all its prompts. They outlive a prompt, which a new attempt deletes and another program
 * may replace.
 */
export interface OtpLimits
  extends Pick<StoredOtpPrompt, 'attempts_left' | 'resends' | 'resend_available_at'> {
  /** Id of the last try whose outcome is unknown, as counted for its subject (core/store/subject-limits.ts). */
  last_try?: string
}

/** What everyone who knows the hash may see of it, built field by field as the public view. */
export function toPublicPrompt(prompt: StoredOtpPrompt | null): OtpPrompt | null {
  if (!prompt) return null
  const { message_key, message_params } = prompt
  return {
    id: prompt.id,
    length: prompt.length,
    charset: prompt.charset,
    sent_to: prompt.sent_to,
    message: prompt.message,
    ...(message_key !== undefined && { message_key }),
    ...(message_params !== undefined && { message_params }),
    expires_at: prompt.expires_at,
    resend_available_at: prompt.resend_available_at,
    attempts_left: prompt.attempts_left,
    error: prompt.error,
  }
}
