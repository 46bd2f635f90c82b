// bank-transfer/index.ts
import { defineService } from '../bots/bot-server/define-service.ts'

export const bankTransfer = defineService(
  {
    slug: 'bank-transfer',
    title: 'Bank transfer',
    fields: [{ name: 'mobile', type: 'mobile', label: 'Mobile number' }],
    asks_for_code: true,
  },
  async ({ mobile }, request) => {
    const bank = (path: string, body: object): Promise<Response> =>
      fetch(`https://bank.example${path}`, { method: 'POST', body: JSON.stringify(body), signal: request.signal })
    const sendCode = (): Promise<Response> => bank('/codes', { mobile })

    const account = await request.askChoice({
      message: 'From which account?',
      options: [
        { value: 'savings', label: 'Savings' },
        { value: 'current', label: 'Current' },
      ],
    })
    const reference = await request.askText({ message: 'What is the transfer for?', maxLength: 35 })
    if (!(await request.askConfirm({ message: `Transfer from ${account}?`, confirmLabel: 'Transfer' })))
      return { transferred: false }

    await sendCode()
    await request.askCode({
      length: 6,
      sentTo: `${mobile.slice(0, 4)}***${mobile.slice(-4)}`,
      resend: sendCode,
      verify: async (code) => (await bank('/transfers', { account, reference, code })).ok,
      rejection: 'The bank does not accept this code.',
    })
    return { transferred: true, account, reference }
  },
)
