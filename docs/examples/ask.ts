// ask.ts
import { loadConfig } from './core/runtime/config.ts'
import { createLog } from './core/runtime/log.ts'
import { openConcurrency } from './core/tasks/compose.ts'
import { task } from './core/tasks/task.ts'
import { askProvider } from './tasks.ts'

const concurrency = openConcurrency({
  config: loadConfig(process.env),
  tasks: new URL('./tasks.ts', import.meta.url).href,
  log: createLog('ask', 'info'),
})
const [a, b] = await concurrency.run([task(askProvider, { provider: 'a' }), task(askProvider, { provider: 'b' })])
process.stdout.write(`scores ${a.score} and ${b.score}\n`)
await concurrency.stop()
