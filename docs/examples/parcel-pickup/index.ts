// parcel-pickup/index.ts
import { BotFailure } from '../bots/bot-failure.ts'
import { defineService } from '../bots/bot-server/define-service.ts'
import { messageBuilder } from '../bots/bot-server/messages.ts'
import { commonMessage } from '../core/domain/common-messages.ts'
import { definition } from './definition.ts'

const message = messageBuilder(definition)

export const parcelPickup = defineService(definition, async ({ mobile }, request) => {
  const carrier = (path: string, body: object): Promise<Response> =>
    fetch(`https://carrier.example${path}`, { method: 'POST', body: JSON.stringify(body), signal: request.signal })
  const sendCode = async (): Promise<void> => {
    const response = await carrier('/codes', { mobile })
    if (!response.ok) throw new BotFailure('carrier_unavailable', message('carrier_unavailable'), { retryable: true })
    await request.markAsOtpRequired({ length: 6, ...message('code_sent') })
  }

  await request.updateProgress(10, 'sending_code', message('sending_code'))
  await sendCode()
  for (;;) {
    const code = await request.waitForOtp({ onResend: sendCode })
    await request.updateProgress(60, 'booking', message('booking', { parcels: 1 }))
    const response = await carrier('/pickups', { mobile, code })
    if (response.ok) return response.json()
    if (!(await request.rejectOtp()))
      throw new BotFailure('otp_attempts_exhausted', commonMessage('otp_attempts_exhausted'))
  }
})
