/**
 * The bot of the tests: the real bot server with the services of test/helpers/services.ts, whose handlers need nothing beside
 * themselves. A step takes TEST_BOT_STEP_MS; codes are "sent" by a line in the file TEST_BOT_CODES (see codes.ts).
 */
import { startBot } from '../../../bots/bot-server/create-bot.ts'
import { runProcess } from '../../../core/runtime/process.ts'
import { openConcurrency } from '../../../core/tasks/compose.ts'
import { createTestServices } from './services.ts'

const TASKS = new URL('./tasks.ts', import.meta.url).href
const DEFAULT_STEP_MS = 20

await runProcess({ name: 'bots', env: process.env }, async (context) => {
  const { TEST_BOT_STEP_MS, TEST_BOT_CODES = '/dev/null' } = process.env
  const services = createTestServices({
    stepMs: Number(TEST_BOT_STEP_MS ?? DEFAULT_STEP_MS),
    codesFile: TEST_BOT_CODES,
  })
  const concurrency = await context.register('concurrency', openConcurrency({ ...context, tasks: TASKS }))
  await startBot(context, services, concurrency)
})
