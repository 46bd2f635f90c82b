// report.ts
import { createUpdater } from './bots/updater.ts'

const [hash = ''] = process.argv.slice(2)
const updater = await createUpdater({ redis: process.env.REDIS_URL ?? 'redis://127.0.0.1:6379' })
await updater.updateProgress(hash, 40, 'asking', 'Asking the carrier…')
await updater.stop()
