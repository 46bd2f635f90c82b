/**
 * The rules of an open question for a one-time code: how long it stands, how many wrong codes it bears, and when
 * another code may be sent. Pure, like the lifecycle that uses them.
 */
import { toIso } from './iso-time.ts'
import type { StoredPrompt } from './record.ts'
import type { Told } from './told.ts'

/** What a bot says when it asks for a code; everything else has a sensible default. */
export interface OtpRequest extends Partial<Told> {
  id: string
  length?: number
  sent_to?: string
  /** Seconds the person has; never beyond the request's own end. */
  expires_in?: number
  /** The bot's call has ended: it is called again with the code. */
  recall?: boolean
}

export const OTP_DEFAULTS = {
  expiresInSeconds: 120,
  attempts: 3,
  resendCooldownSeconds: 30,
  maxResends: 5,
} as const

/**
 * A prompt that replaces an open one keeps its count of resends and their cooldown; the tries begin anew.
 *
 * @param latest when the request itself ends, milliseconds
 */
export function openPrompt(
  otp: OtpRequest,
  { before, at, latest }: { before: StoredPrompt | null; at: number; latest: number },
): StoredPrompt {
  const cooldown = toIso(at + OTP_DEFAULTS.resendCooldownSeconds * 1000)
  const seconds =
    otp.expires_in !== undefined && otp.expires_in > 0 ? otp.expires_in : OTP_DEFAULTS.expiresInSeconds
  return {
    id: otp.id,
    length: otp.length ?? null,
    charset: 'digits',
    sent_to: otp.sent_to ?? null,
    message: otp.message ?? null,
    ...(otp.message_key && { message_key: otp.message_key, message_params: otp.message_params ?? {} }),
    expires_at: toIso(Math.max(at, Math.min(at + seconds * 1000, latest))),
    resend_available_at: before?.resend_available_at ?? cooldown,
    attempts_left: OTP_DEFAULTS.attempts,
    error: null,
    requested_at: before?.requested_at ?? toIso(at),
    resends: before?.resends ?? 0,
    resend_requested: false,
    recall: otp.recall ?? false,
  }
}

/** Why a code cannot be handed over now; null when it can. */
export function refuseCode(
  prompt: StoredPrompt,
  now: number,
): 'otp_attempts_exhausted' | 'otp_expired' | null {
  if (prompt.attempts_left <= 0) return 'otp_attempts_exhausted'
  return now >= Date.parse(prompt.expires_at) ? 'otp_expired' : null
}

/** Why no other code can be asked for now; null when it can. */
export function refuseResend(
  prompt: StoredPrompt,
  now: number,
): 'resend_exhausted' | 'resend_not_yet' | null {
  if (prompt.resends >= OTP_DEFAULTS.maxResends) return 'resend_exhausted'
  return now < Date.parse(prompt.resend_available_at) ? 'resend_not_yet' : null
}

/** The prompt after a wrong code; null when that was the last try. */
export function afterWrongCode(prompt: StoredPrompt, message: string, at: number): StoredPrompt | null {
  const left = prompt.attempts_left - 1
  if (left <= 0) return null
  return {
    ...prompt,
    attempts_left: left,
    requested_at: toIso(at),
    error: { code: 'otp_rejected', message },
  }
}

/** The wait for another code doubles each time: 30 s, 60 s, 120 s … */
export function askAgain(prompt: StoredPrompt, at: number): StoredPrompt {
  const waitSeconds = OTP_DEFAULTS.resendCooldownSeconds * 2 ** (prompt.resends + 1)
  return {
    ...prompt,
    resends: prompt.resends + 1,
    resend_requested: true,
    resend_available_at: toIso(at + waitSeconds * 1000),
    error: null,
  }
}
