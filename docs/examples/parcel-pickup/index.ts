// parcel-pickup/index.ts
import { BotFailure } from '../bots/bot-failure.ts'
import { defineService } from '../bots/bot-server/define-service.ts'
import { messageBuilder } from '../bots/bot-server/messages.ts'
import { definition } from './definition.ts'

const message = messageBuilder(definition)

export const parcelPickup = defineService(definition, async ({ mobile }, request) => {
  const carrier = (path: string, body: object): Promise<Response> =>
    fetch(`https://carrier.example${path}`, { method: 'POST', body: JSON.stringify(body), signal: request.signal })
  const sendCode = async (): Promise<void> => {
    const response = await carrier('/codes', { mobile })
    if (!response.ok) throw new BotFailure('carrier_unavailable', message('carrier_unavailable'), { retryable: true })
  }

  await request.updateProgress(10, 'sending_code', message('sending_code'))
  await sendCode()
  let booking: unknown
  await request.askCode({
    length: 6,
    message: message('code_sent'),
    resend: sendCode,
    async verify(code) {
      await request.updateProgress(60, 'booking', message('booking', { parcels: 1 }))
      const response = await carrier('/pickups', { mobile, code })
      if (response.ok) booking = await response.json()
      return response.ok
    },
  })
  return booking
})
