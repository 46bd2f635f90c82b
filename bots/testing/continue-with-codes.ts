/** What a worker does with a handler that answers SMS_SENT: asks the submitter, and calls again with the code. */
import type { BotRequest } from '../bot-server/define-service.ts'
import { isCodeRejection, isSmsSent, type SmsSent } from '../bot-server/sms-sent.ts'
import type { RequestInMemory } from './request-in-memory.ts'

/** @returns the result  @throws what `verify` throws, after the last wrong code too */
export async function continueWithCodes(
  first: SmsSent,
  request: BotRequest,
  { askAgainLater, answer, reject }: RequestInMemory,
): Promise<unknown> {
  let session = first
  await askAgainLater(session.otpOptions)
  for (;;) {
    const code = await answer()
    try {
      const returned = await session.verify(code, request)
      if (!isSmsSent(returned)) return returned
      session = returned
      await askAgainLater(session.otpOptions)
    } catch (error) {
      if (!isCodeRejection(error) || !(await reject(error))) throw error
    }
  }
}
