/**
 * The second way to ask for a code: a handler that has had a code sent returns `smsSent(…)` and its call ends, so that no
 * worker is busy while the submitter looks for the code. Its session (at a portal, for example) is held by the closures
 * `verify` and `resend`.
 */
import { commonMessage } from '../../core/domain/common-messages.ts'
import type { LocalizedMessage } from '../../core/domain/message.ts'
import { BotFailure } from '../bot-failure.ts'
import type { OtpOptions } from '../updater.ts'
import type { BotRequest } from './define-service.ts'

/** Resumes the session. Each is a new call with a new `request`, and returns what a handler returns: the result or `smsSent(…)`. */
interface OtpContinuation {
  /**
   * @param code as the submitter typed it. Never log it.
   * @throws BotFailure `codeRejected()` to be called again with another code; any other error ends the session
   */
  verify(code: string, request: BotRequest): Promise<unknown>
  /**
   * Has another code sent in the same session: the submitter asked for it, or a new attempt starts and the last code is
   * about to expire.
   */
  resend(request: BotRequest): Promise<unknown>
}

const SMS_SENT = Symbol('SMS_SENT')

export interface SmsSent extends OtpContinuation {
  readonly is: typeof SMS_SENT
  readonly otpOptions: OtpOptions
  /** Monotonic clock, milliseconds. */
  readonly sentAt: number
}

/** @param otpOptions public: shown to the submitter */
export const smsSent = (otpOptions: OtpOptions, continuation: OtpContinuation): SmsSent => ({
  is: SMS_SENT,
  otpOptions: otpOptions,
  sentAt: performance.now(),
  ...continuation,
})

/** With less time left a code is not asked for again. */
const MIN_SECONDS_LEFT = 30

/** How many seconds the code is still valid; undefined where the bot gave no `expires_in`. */
export const secondsLeft = ({ otpOptions: { expires_in }, sentAt }: SmsSent): number | undefined =>
  expires_in && Math.ceil(expires_in - (performance.now() - sentAt) / 1000)

export const isFresh = (sent: SmsSent): boolean => (secondsLeft(sent) ?? 0) >= MIN_SECONDS_LEFT

export const isSmsSent = (result: unknown): result is SmsSent =>
  (result as Partial<SmsSent> | null | undefined)?.is === SMS_SENT

const REJECTED = 'OTP_REJECTED'

/** The code was wrong: the submitter is asked again, with one try less. */
export const codeRejected = (
  message: string | LocalizedMessage = commonMessage('otp_rejected'),
): BotFailure => new BotFailure(REJECTED, message)

export const isCodeRejection = (reason: unknown): reason is { localizedMessage?: LocalizedMessage } =>
  (reason as { code?: unknown } | null | undefined)?.code === REJECTED

/** The session of the code no longer exists: the work has to start again. */
export const sessionLost = (message: string | LocalizedMessage = commonMessage('session_lost')): BotFailure =>
  new BotFailure('session_lost', message, { retryable: true })
