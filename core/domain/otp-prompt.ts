/**
 * The rules of an open question for a one-time code: how long it stands, how many wrong codes it bears, and when
 * another code may be sent. Pure, like the state machine that uses them.
 */
import { otpFault } from './digits.ts'
import { type IsoTime, toIso } from './iso-time.ts'
import type { LocalizedMessage } from './message.ts'
import type { OtpLimits, StoredOtpPrompt } from './otp-data.ts'
import type { RequestRecord } from './record.ts'

/** What a bot says when it asks for a code; everything else has a sensible default. */
export interface OtpRequest extends Partial<LocalizedMessage> {
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
 * A question as it is without any before it. It means that a new code was sent, so it has a deadline of its own; how many
 * questions there can be is bounded by the tries and resends of the request.
 *
 * @param latest when the request itself ends, milliseconds
 */
export function firstPrompt(
  otp: OtpRequest,
  { at, latest }: { at: number; latest: number },
): StoredOtpPrompt {
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
    resend_available_at: toIso(at + OTP_DEFAULTS.resendCooldownSeconds * 1000),
    attempts_left: OTP_DEFAULTS.attempts,
    error: null,
    requested_at: toIso(at),
    resends: 0,
    resend_requested: false,
    recall: otp.recall ?? false,
  }
}

/** The next question of a request, which goes on with the tries and resends that are left; null when no try is. */
export function nextPrompt(before: RequestRecord, otp: OtpRequest, at: number): StoredOtpPrompt | null {
  const limits = before.otp_limits ?? (before.otp_data && limitsOf(before.otp_data))
  const prompt = withinLimits(firstPrompt(otp, { at, latest: Date.parse(before.expires_at) }), limits)
  if (prompt.attempts_left === 0) return null
  const open = before.status === 'otp_required' ? before.otp_data : null
  return open ? { ...prompt, requested_at: open.requested_at } : prompt
}

/** What is left when a question ends unanswered: a code whose attempt has failed was not found wrong. */
export const limitsLeft = ({ otp_data, otp_limits }: RequestRecord): OtpLimits | undefined =>
  otp_data ? limitsOf(otp_data) : otp_limits

/** What a question leaves for those after it. */
export const limitsOf = ({ attempts_left, resends, resend_available_at }: StoredOtpPrompt): OtpLimits => ({
  attempts_left,
  resends,
  resend_available_at,
})

/** What a code that is handed over leaves, should it be wrong. One that is overtaken by a resend may never be tried. */
export const limitsAfterCode = (prompt: StoredOtpPrompt, tryId?: string): OtpLimits => ({
  ...limitsOf(prompt),
  ...(tryId !== undefined && { last_try: tryId }),
  attempts_left: prompt.resend_requested ? prompt.attempts_left : Math.max(0, prompt.attempts_left - 1),
})

/** No question gives back what the request has used up. */
export function withinLimits(prompt: StoredOtpPrompt, limits: OtpLimits | null | undefined): StoredOtpPrompt {
  if (!limits) return prompt
  const { attempts_left, resends, resend_available_at } = limits
  return {
    ...prompt,
    attempts_left: Math.min(prompt.attempts_left, attempts_left),
    resends: Math.max(prompt.resends, resends),
    resend_available_at: laterOf(prompt.resend_available_at, resend_available_at),
  }
}

const laterOf = (a: IsoTime | null, b: IsoTime | null): IsoTime | null =>
  a && b ? toIso(Math.max(Date.parse(a), Date.parse(b))) : a

/** Why a code cannot be handed over now; null when it can. */
export function codeRejection(
  prompt: StoredOtpPrompt,
  typed: string,
  now: number,
): 'invalid_otp' | 'otp_attempts_exhausted' | 'otp_expired' | null {
  if (otpFault(typed, prompt.length) !== null) return 'invalid_otp'
  if (prompt.attempts_left <= 0) return 'otp_attempts_exhausted'
  return now >= Date.parse(prompt.expires_at) ? 'otp_expired' : null
}

/** Why no other code can be asked for now; null when it can. */
export function resendRejection(
  prompt: StoredOtpPrompt,
  now: number,
): 'resend_not_offered' | 'resend_exhausted' | 'resend_not_yet' | null {
  if (prompt.resend_available_at === null) return 'resend_not_offered'
  if (prompt.resends >= OTP_DEFAULTS.maxResends) return 'resend_exhausted'
  return now < Date.parse(prompt.resend_available_at) ? 'resend_not_yet' : null
}

/** The prompt after a wrong code; null when that was the last try. */
export function withFailedAttempt(
  prompt: StoredOtpPrompt,
  message: string,
  at: number,
): StoredOtpPrompt | null {
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
export function withResendRequested(prompt: StoredOtpPrompt, at: number): StoredOtpPrompt {
  const waitSeconds = OTP_DEFAULTS.resendCooldownSeconds * 2 ** (prompt.resends + 1)
  return {
    ...prompt,
    resends: prompt.resends + 1,
    resend_requested: true,
    resend_available_at: toIso(at + waitSeconds * 1000),
    error: null,
  }
}
