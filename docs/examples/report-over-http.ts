// report-over-http.ts
import { createUpdater } from './bots/updater.ts'

const [hash = ''] = process.argv.slice(2)
const { HALFWAY_URL: url = 'http://localhost:3000', BOT_TOKEN: token = '' } = process.env
const updater = await createUpdater({ url, token })
const account = await updater.ask(hash, {
  kind: 'choice',
  message: 'Which account?',
  options: [
    { value: 'savings', label: 'Savings' },
    { value: 'current', label: 'Current' },
  ],
})
await updater.updateProgress(hash, 60, 'asking', `Reading ${account}…`)
await updater.stop()
