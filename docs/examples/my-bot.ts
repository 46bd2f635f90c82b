// my-bot.ts
import { startBot } from './bots/bot-server/create-bot.ts'
import { runProcess } from './core/runtime/process.ts'
import { parcelTracking } from './parcel-tracking/index.ts'

await runProcess({ name: 'my-bot', env: process.env }, (context) => startBot(context, [parcelTracking]))
