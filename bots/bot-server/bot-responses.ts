/** Answers of the bots to the worker. */

import { commonMessage } from '../../core/domain/common-messages.ts'
import { AppError } from '../../core/domain/errors.ts'
import { type LocalizedMessage, toLocalizedMessage } from '../../core/domain/message.ts'
import type { FailureCause } from '../../core/domain/request-failure.ts'
import { describeCause } from '../../core/runtime/error-cause.ts'
import { BotFailure } from '../bot-failure.ts'
import type { OtpOptions } from '../updater.ts'
import { type SmsSent, secondsLeft } from './sms-sent.ts'

export type BotResponse =
  | { status: 'success'; code: string; message: string; data: unknown }
  | { status: 'success'; code: 'SMS_SENT'; message: string; otp_data: OtpOptions }
  | ({ status: 'error'; code: string; retryable: boolean; cause?: FailureCause } & LocalizedMessage)

/** Also used to repeat a lost answer, so `expires_in` is the time that remains. */
export const otpSent = (session: SmsSent): BotResponse => ({
  status: 'success',
  code: 'SMS_SENT',
  message: session.otpOptions.message ?? 'A code was sent.',
  otp_data: {
    ...session.otpOptions,
    ...(session.otpOptions.expires_in && { expires_in: secondsLeft(session) }),
  },
})

export const success = (data: unknown): BotResponse => ({
  status: 'success',
  code: 'COMPLETED',
  message: 'Done.',
  data: data ?? null,
})

/** The text of an unexpected error is not passed on: it may contain request data. */
export function errorResponse(error: unknown): BotResponse {
  if (error instanceof BotFailure) return toAnswer(error, error.localizedMessage, error.cause)
  if (error instanceof AppError) return toAnswer(error, toLocalizedMessage(error.message), error.cause)
  return toAnswer({ code: 'bot_crashed', retryable: true }, commonMessage('bot_crashed'), error)
}

/** @param cause the error behind it: its class and place are passed on, for the owner of the bot */
const toAnswer = (
  { code, retryable }: { code: string; retryable: boolean },
  localizedMessage: LocalizedMessage,
  cause: unknown,
): BotResponse => ({
  status: 'error',
  code,
  ...localizedMessage,
  retryable,
  ...(cause !== undefined && { cause: describeCause(cause) }),
})
