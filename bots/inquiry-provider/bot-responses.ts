/** What a run answers the worker that called for it. */

import { sayCommon } from '../../core/domain/common-messages.ts'
import { AppError } from '../../core/domain/errors.ts'
import { asTold, type Told } from '../../core/domain/message.ts'
import { BotFailure } from '../bot-failure.ts'
import type { AskForOtp } from '../updater.ts'
import { type SmsSent, secondsLeft } from './sms-sent.ts'

export type BotAnswer =
  | { status: 'success'; code: string; message: string; data: unknown }
  | { status: 'success'; code: 'SMS_SENT'; message: string; otp_data: AskForOtp }
  | ({ status: 'error'; code: string; retryable: boolean } & Told)

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
  if (error instanceof BotFailure) return answer(error, error.told)
  if (error instanceof AppError) return answer(error, asTold(error.message))
  return answer({ code: 'bot_crashed', retryable: true }, sayCommon('bot_crashed'))
}

const answer = ({ code, retryable }: { code: string; retryable: boolean }, told: Told): BotAnswer => ({
  status: 'error',
  code,
  ...told,
  retryable,
})
