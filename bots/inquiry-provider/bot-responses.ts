/** What a run answers the worker that called for it. */

import { commonMessage } from '../../core/domain/common-messages.ts'
import { AppError } from '../../core/domain/errors.ts'
import { type LocalizedMessage, toLocalizedMessage } from '../../core/domain/message.ts'
import { BotFailure } from '../bot-failure.ts'
import type { OtpOptions } from '../updater.ts'
import { type SmsSent, secondsLeft } from './sms-sent.ts'

export type BotAnswer =
  | { status: 'success'; code: string; message: string; data: unknown }
  | { status: 'success'; code: 'SMS_SENT'; message: string; otp_data: OtpOptions }
  | ({ status: 'error'; code: string; retryable: boolean } & LocalizedMessage)

/** Also of a code that was sent a while ago, when the first answer has got lost. */
export const codeSent = (sent: SmsSent): BotAnswer => ({
  status: 'success',
  code: 'SMS_SENT',
  message: sent.asked.message ?? 'A code was sent.',
  otp_data: { ...sent.asked, ...(sent.asked.expires_in && { expires_in: secondsLeft(sent) }) },
})

export const succeeded = (data: unknown): BotAnswer => ({
  status: 'success',
  code: 'COMPLETED',
  message: 'Done.',
  data: data ?? null,
})

/** What a handler threw, as the worker will read it. An unforeseen error keeps its text to itself: it may hold data. */
export function failed(error: unknown): BotAnswer {
  if (error instanceof BotFailure) return answer(error, error.localizedMessage)
  if (error instanceof AppError) return answer(error, toLocalizedMessage(error.message))
  return answer({ code: 'bot_crashed', retryable: true }, commonMessage('bot_crashed'))
}

const answer = (
  { code, retryable }: { code: string; retryable: boolean },
  localizedMessage: LocalizedMessage,
): BotAnswer => ({
  status: 'error',
  code,
  ...localizedMessage,
  retryable,
})
