// pickup-bot.ts
import { createServer } from 'node:http'
import { json } from 'node:stream/consumers'
import { createUpdater } from './bots/updater.ts'

const token = process.env.LOCAL_API_TOKEN
const updater = await createUpdater({ redis: process.env.REDIS_URL ?? 'redis://127.0.0.1:6379' })

async function book(hash: string, attempt: number): Promise<unknown> {
  const request = updater.bind(hash, () => attempt)
  await request.updateProgress(10, 'sending_code', 'Having a code sent…')
  await request.markAsOtpRequired({ length: 6, sent_to: '0912***4567', message: 'Type the code we sent you.' })
  let code = await request.waitForOtp()
  while (code !== '222222') {
    if (!(await request.rejectOtp())) return { status: 'error', code: 'otp_attempts_exhausted', message: 'No try is left.' }
    code = await request.waitForOtp()
  }
  await request.updateProgress(60, 'booking', 'Booking the pickup…')
  return { status: 'success', data: { parcels: 1 } }
}

createServer(async (req, res) => {
  if (req.headers.authorization !== `Bearer ${token}`) return void res.writeHead(401).end()
  const attempt = Number(req.headers['x-attempt'])
  const answer = json(req).then((call) => book((call as { requestHash: string }).requestHash, attempt))
  const failed = ({ message }: Error) => ({ status: 'error', code: 'bot_crashed', message, retryable: true })
  res.end(JSON.stringify(await answer.catch(failed)))
}).listen(9997, '127.0.0.1')
