/**
 * The rules of a question to the submitter: how long it is open, how many wrong answers it allows, and when another code may
 * be sent. Pure, like the state machine that uses them.
 */
import { describeAnswerFault, MAX_TEXT_ANSWER } from './answer.ts'
import { type IsoTime, toIso } from './iso-time.ts'
import type { LocalizedMessage } from './message.ts'
import {
  kindOf,
  MAX_RESENDS,
  type OtpLimits,
  type QuestionDetails,
  type QuestionKind,
  questionDetails,
  type StoredOtpPrompt,
} from './otp-data.ts'
import type { RequestRecord } from './record.ts'

/** The question as a bot asks it; everything but the id has a default. */
export interface OtpRequest extends Partial<LocalizedMessage>, QuestionDetails {
  id: string
  /** Default: `code`. */
  kind?: QuestionKind
  length?: number
  /** Of an `image`: a `data:` address of a PNG, JPEG, GIF or WebP of at most 64 kB. */
  image?: string
  sent_to?: string
  /** Seconds until the code expires; limited by the end of the request. */
  expires_in?: number
  /** Whether the bot can send another code; true when left out. */
  resend?: boolean
  /** The bot ends its call and is called again with the answer. */
  recall?: boolean
}

export const OTP_DEFAULTS = {
  expiresInSeconds: 120,
  attempts: 3,
  resendCooldownSeconds: 30,
  /** Nothing is sent to a phone for another picture. */
  imageCooldownSeconds: 5,
  maxResends: MAX_RESENDS,
} as const

const cooldownSeconds = ({ kind }: { kind?: QuestionKind }): number =>
  kind === 'image' ? OTP_DEFAULTS.imageCooldownSeconds : OTP_DEFAULTS.resendCooldownSeconds

/** Nothing can be sent again for a question whose answers are on the page. */
const allowsResend = (kind: QuestionKind): boolean => kind !== 'choice' && kind !== 'confirm'

/**
 * A prompt with the default limits. Each prompt stands for a newly sent code, so each has a deadline of its own; the number of
 * prompts is limited by the tries and resends of the request.
 *
 * @param latest when the request itself expires, milliseconds
 */
export function createPrompt(
  otp: OtpRequest,
  { at, latest }: { at: number; latest: number },
): StoredOtpPrompt {
  const seconds =
    otp.expires_in !== undefined && otp.expires_in > 0 ? otp.expires_in : OTP_DEFAULTS.expiresInSeconds
  const kind = kindOf(otp)
  return {
    id: otp.id,
    kind,
    length: (kind === 'code' && otp.length) || null,
    charset: 'digits',
    ...(kind === 'text' && { max_length: MAX_TEXT_ANSWER }),
    ...questionDetails(otp),
    ...(otp.image !== undefined && { image: otp.image }),
    sent_to: otp.sent_to ?? null,
    message: otp.message ?? null,
    ...(otp.message_key && { message_key: otp.message_key, message_params: otp.message_params ?? {} }),
    expires_at: toIso(Math.max(at, Math.min(at + seconds * 1000, latest))),
    resend_available_at:
      allowsResend(kind) && otp.resend !== false ? toIso(at + cooldownSeconds(otp) * 1000) : null,
    attempts_left: OTP_DEFAULTS.attempts,
    error: null,
    requested_at: toIso(at),
    resends: 0,
    resend_requested: false,
    recall: otp.recall ?? false,
  }
}

/** The next prompt of a request, with its remaining tries and resends; null when no try is left. */
export function nextPrompt(before: RequestRecord, otp: OtpRequest, at: number): StoredOtpPrompt | null {
  const open = before.status === 'otp_required' ? before.otp_data : null
  const created = createPrompt(otp, { at, latest: Date.parse(before.expires_at) })
  const isCode = kindOf(otp) === 'code'
  const isSameKind = open !== null && kindOf(open) === kindOf(otp)
  const ofCodes = before.otp_limits ?? (before.otp_data && toOtpLimits(before.otp_data))
  const limits = isCode ? ofCodes : isSameKind ? usedUp(open) : null
  const prompt = limitBy(created, limits)
  if (prompt.attempts_left === 0) return null
  return open ? { ...prompt, requested_at: open.requested_at } : prompt
}

/** The limits after a prompt that ended unanswered: the code of a failed attempt does not count as wrong. */
export const remainingOtpLimits = ({ otp_data, otp_limits }: RequestRecord): OtpLimits | undefined =>
  (otp_data && toOtpLimits(otp_data)) ?? otp_limits

/** Undefined for a question that is no code. */
export const toOtpLimits = (prompt: StoredOtpPrompt): OtpLimits | undefined =>
  kindOf(prompt) === 'code' ? usedUp(prompt) : undefined

const usedUp = ({ attempts_left, resends, resend_available_at }: StoredOtpPrompt): OtpLimits => ({
  attempts_left,
  resends,
  resend_available_at,
})

/** Counts a submitted code as wrong in advance. One overtaken by a resend may never be tried, so it is not counted. */
export const otpLimitsAfterCode = (prompt: StoredOtpPrompt, tryId?: string): OtpLimits => ({
  ...usedUp(prompt),
  ...(tryId !== undefined && { last_try: tryId }),
  attempts_left: prompt.resend_requested ? prompt.attempts_left : Math.max(0, prompt.attempts_left - 1),
})

/** Limits a prompt for a code by what earlier ones of the request have used up. */
export const applyOtpLimits = (
  prompt: StoredOtpPrompt,
  limits: OtpLimits | null | undefined,
): StoredOtpPrompt => (kindOf(prompt) === 'code' ? limitBy(prompt, limits) : prompt)

function limitBy(prompt: StoredOtpPrompt, limits: OtpLimits | null | undefined): StoredOtpPrompt {
  if (!limits) return prompt
  const { attempts_left, resends, resend_available_at } = limits
  return {
    ...prompt,
    attempts_left: Math.min(prompt.attempts_left, attempts_left),
    resends: Math.max(prompt.resends, resends),
    resend_available_at: later(prompt.resend_available_at, resend_available_at),
  }
}

const later = (a: IsoTime | null, b: IsoTime | null): IsoTime | null =>
  a && b ? toIso(Math.max(Date.parse(a), Date.parse(b))) : a

/** Why an answer cannot be submitted now; null when it can. */
export function codeRejection(
  prompt: StoredOtpPrompt,
  typed: string,
  now: number,
): 'invalid_otp' | 'otp_attempts_exhausted' | 'otp_expired' | null {
  if (describeAnswerFault(prompt, typed) !== null) return 'invalid_otp'
  if (prompt.attempts_left <= 0) return 'otp_attempts_exhausted'
  return now >= Date.parse(prompt.expires_at) ? 'otp_expired' : null
}

/** Why a resend cannot be requested now; null when it can. */
export function resendRejection(
  prompt: StoredOtpPrompt,
  now: number,
): 'resend_not_offered' | 'resend_exhausted' | 'resend_not_yet' | null {
  if (prompt.resend_available_at === null) return 'resend_not_offered'
  if (prompt.resends >= OTP_DEFAULTS.maxResends) return 'resend_exhausted'
  return now < Date.parse(prompt.resend_available_at) ? 'resend_not_yet' : null
}

/** The prompt after a wrong answer; null when that was the last try. */
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

/** The delay until the next resend doubles each time: 30 s, 60 s, 120 s …, of a picture 5 s, 10 s, 20 s … */
export function withResendRequested(prompt: StoredOtpPrompt, at: number): StoredOtpPrompt {
  const waitSeconds = cooldownSeconds(prompt) * 2 ** (prompt.resends + 1)
  return {
    ...prompt,
    resends: prompt.resends + 1,
    resend_requested: true,
    resend_available_at: toIso(at + waitSeconds * 1000),
    error: null,
  }
}

/** A code is stored with the change that hands it over; a new prompt or the end deletes it. */
export function otpChange({ status, otp_data }: RequestRecord, otp: string | undefined) {
  if (otp !== undefined && otp_data) return { code: otp, expiresAt: Date.parse(otp_data.expires_at) }
  return status === 'processing' ? undefined : null
}
