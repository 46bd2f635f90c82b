/** The process of the example bots: `npm run start:bots`. Listens on the loopback address only. */
import { extname } from 'node:path'
import { runProcess } from '../../core/runtime/process.ts'
import { openConcurrency } from '../../core/tasks/compose.ts'
import { startBot } from '../bot-server/create-bot.ts'
import { createServices } from './services.ts'
import { loadExampleSettings } from './settings.ts'

/** In the package the file is compiled, as this one is. */
const TASKS = new URL(`./tasks${extname(import.meta.url)}`, import.meta.url).href

await runProcess({ name: 'bots', env: process.env }, async (context) => {
  const { config, log, register } = context
  const services = createServices(loadExampleSettings(process.env))
  // Registered before the runs and therefore stopped after them: they may need it until they end.
  const concurrency = await register('concurrency', openConcurrency({ config, tasks: TASKS, log }))
  await startBot(context, services, concurrency)
})
