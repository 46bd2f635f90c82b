// my-bot.ts
import { createServer } from 'node:http'
import { json } from 'node:stream/consumers'
import { createUpdater } from './bots/updater.ts'

const updater = await createUpdater({ redis: process.env.REDIS_URL ?? 'redis://127.0.0.1:6379' })
const track = async ({ requestHash }: { requestHash: string }): Promise<object> => {
  await updater.updateProgress(requestHash, 50, 'asking', 'Asking the carrier…')
  return { status: 'success', data: { parcels: 3 } }
}
createServer(async (req, res) => {
  const answer = json(req).then((call) => track(call as { requestHash: string }))
  const failed = (error: Error) => ({ status: 'error', code: 'crashed', message: error.message })
  res.end(JSON.stringify(await answer.catch(failed)))
}).listen(9997, '127.0.0.1')
