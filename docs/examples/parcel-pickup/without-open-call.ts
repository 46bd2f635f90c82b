// parcel-pickup/without-open-call.ts
import { defineService } from '../bots/bot-server/define-service.ts'
import { messageBuilder } from '../bots/bot-server/messages.ts'
import { codeRejected, type SmsSent, smsSent } from '../bots/bot-server/sms-sent.ts'
import { definition } from './definition.ts'

const message = messageBuilder(definition)

const carrier = (path: string, body: object, signal: AbortSignal): Promise<Response> =>
  fetch(`https://carrier.example${path}`, { method: 'POST', body: JSON.stringify(body), signal })

export const parcelPickup = defineService(definition, async ({ mobile }, { signal }) => {
  const sendCode = async (signal: AbortSignal): Promise<SmsSent> => {
    const { visit } = (await (await carrier('/codes', { mobile }, signal)).json()) as { visit: string }
    return smsSent(
      { length: 6, sent_to: '0912***4567', ...message('code_sent'), expires_in: 120 },
      {
        // Called with the code, and with the request and signal of this call.
        async verify(code, { signal }) {
          const response = await carrier('/pickups', { visit, code }, signal)
          if (!response.ok) throw codeRejected() // asks again, with one try less; any other failure ends the visit
          return response.json()
        },
        // Called when the user wants another code, or a new attempt begins.
        resend: ({ signal }) => sendCode(signal),
      },
    )
  }
  return sendCode(signal)
})
