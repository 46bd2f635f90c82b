/** What a record keeps of questions for one-time codes. Nothing secret: the code itself lives in the otp box only. */

import type { MessageParams } from '../i18n/localize-message.ts'
import type { IsoTime } from './iso-time.ts'

/** An open question for a one-time code. Holds nothing secret: the code itself lives in the otp box only. */
export interface OtpPrompt {
  id: string
  /** How many characters the code has; null when the bot does not know. */
  length: number | null
  charset: 'digits'
  /** Where the code went, masked: `0912***4567`. */
  sent_to: string | null
  message: string | null
  message_key?: string
  message_params?: MessageParams
  expires_at: IsoTime
  /** Null where the bot has no other code sent. */
  resend_available_at: IsoTime | null
  attempts_left: number
  /** Why the person is asked again: the last code was wrong. */
  error: { code: 'otp_rejected'; message: string } | null
}

/** The prompt as the record keeps it: with what the rules need to remember. */
export interface StoredOtpPrompt extends OtpPrompt {
  requested_at: IsoTime
  /** How often the person asked for another code instead of this one or those before it. */
  resends: number
  /** The bot does not wait with its call open: it is called again with the code. */
  recall: boolean
  /** The person waits for another code: the bot has not asked anew yet. */
  resend_requested: boolean
}

/**
 * What questions for a code have used up of a request. It outlives the questions themselves, which a new attempt drops
 * and another program may replace.
 */
export interface OtpLimits
  extends Pick<StoredOtpPrompt, 'attempts_left' | 'resends' | 'resend_available_at'> {
  /** The code that was handed over last and may be right, as it is counted for its person (core/store/subject-limits.ts). */
  last_try?: string
}
