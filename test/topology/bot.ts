/** A bot whose work is to report: six services, each with a queue of its own. */
import { setTimeout as sleep } from 'node:timers/promises'
import { startBot } from '../../bots/bot-server/create-bot.ts'
import { defineService } from '../../bots/bot-server/define-service.ts'
import { runProcess } from '../../core/runtime/process.ts'
import { SLUGS } from './load.ts'

const serviceOf = (slug: string) =>
  defineService(
    {
      slug,
      title: slug,
      fields: [
        { name: 'updates', type: 'number', label: 'How many updates' },
        { name: 'every_ms', type: 'number', label: 'Milliseconds between two' },
      ],
      queue: { name: slug },
      usual_seconds: 5,
    },
    async ({ updates, every_ms }, request) => {
      for (let done = 1; done <= updates; done++) {
        await sleep(every_ms, undefined, { signal: request.signal })
        await request.updateProgress(
          Math.floor((done * 99) / updates),
          undefined,
          `Part ${done} of ${updates}`,
        )
      }
      await sleep(every_ms, undefined, { signal: request.signal })
      return { updates }
    },
  )

await runProcess({ name: 'bots', env: process.env }, (context) => startBot(context, SLUGS.map(serviceOf)))
