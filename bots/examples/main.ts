/** The bots' process: `npm run start:bots`. Listens on the loopback address only. */

import { runProcess } from '../../core/runtime/process.ts'
import { openConcurrency } from '../../core/tasks/compose.ts'
import { startProvider } from '../bot-server/create-bot.ts'
import { createHandlers } from './services.ts'

const TASKS = new URL('./tasks.ts', import.meta.url).href

await runProcess({ name: 'bots', env: process.env }, async (context) => {
  const { config, log, register } = context
  const handlers = createHandlers({
    demoPortalUrl: `http://127.0.0.1:${config.demoPortal.port}`,
    linkCheckAllowPrivate: config.linkCheck.allowPrivate,
  })
  // Registered before the runs and therefore stopped after them: they may need it until they end.
  const concurrency = await register('concurrency', openConcurrency({ config, tasks: TASKS, log }))
  await startProvider(context, handlers, concurrency)
})
