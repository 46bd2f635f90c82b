/**
 * The second way to ask for a code: a handler that has had one sent returns `smsSent(…)`, its call ends, and nobody
 * is kept busy while the person looks for the code. What it needs to go on (a portal's session) lives in the two
 * functions it leaves behind.
 */
import { commonMessage } from '../../core/domain/common-messages.ts'
import type { LocalizedMessage } from '../../core/domain/message.ts'
import { BotFailure } from '../bot-failure.ts'
import type { OtpOptions } from '../updater.ts'
import type { BotRequest } from './bot-service.ts'

/**
 * How the work goes on. Each is a call of its own, with its own `request`, whose signal and attempt count from then
 * on; each gives what a handler gives: the result, or `smsSent(…)` again.
 */
interface OtpContinuation {
  /**
   * The person has typed this. Never log it.
   * @throws BotFailure `codeRejected()` to be called again with another code; any other ends what was kept
   */
  verify(code: string, request: BotRequest): Promise<unknown>
  /**
   * The person wants another code, or a new attempt begins and the last code is nearly over: has one sent in the same
   * session.
   */
  resend(request: BotRequest): Promise<unknown>
}

const SMS_SENT = Symbol('SMS_SENT')

export interface SmsSent extends OtpContinuation {
  readonly is: typeof SMS_SENT
  readonly asked: OtpOptions
  /** By the monotonic clock, milliseconds. */
  readonly sentAt: number
}

/** What a handler returns that has had a code sent. `asked` is shown to the person: nothing secret in it. */
export const smsSent = (asked: OtpOptions, continuation: OtpContinuation): SmsSent => ({
  is: SMS_SENT,
  asked,
  sentAt: performance.now(),
  ...continuation,
})

/** Less is not worth the person's look for the code. */
const MIN_SECONDS_LEFT = 30

/** How many seconds the code is still good for, where the bot has said how long. */
export const secondsLeft = ({ asked: { expires_in }, sentAt }: SmsSent): number | undefined =>
  expires_in && Math.ceil(expires_in - (performance.now() - sentAt) / 1000)

export const isFresh = (sent: SmsSent): boolean => (secondsLeft(sent) ?? 0) >= MIN_SECONDS_LEFT

export const isSmsSent = (result: unknown): result is SmsSent =>
  (result as Partial<SmsSent> | null | undefined)?.is === SMS_SENT

const REJECTED = 'OTP_REJECTED'

/** The code was wrong: the person is asked again, with one try less. */
export const codeRejected = (
  message: string | LocalizedMessage = commonMessage('otp_rejected'),
): BotFailure => new BotFailure(REJECTED, message)

export const isRejection = (reason: unknown): boolean =>
  (reason as { code?: unknown } | null | undefined)?.code === REJECTED

/** What the code belongs to is gone: only beginning anew helps. */
export const sessionLost = (message: string | LocalizedMessage = commonMessage('session_lost')): BotFailure =>
  new BotFailure('session_lost', message, { retryable: true })
