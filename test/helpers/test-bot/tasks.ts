/** The tasks of the bot of the tests. */
import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import { defineTask } from '../../../core/tasks/task.ts'

const REPORTS = 5

export const askProvider = defineTask(
  'ask-provider',
  {
    args: z.object({ provider: z.string(), ms: z.number() }),
    result: z.object({ provider: z.string(), score: z.number(), confidence: z.number() }),
  },
  async ({ provider, ms }, { signal, progress }) => {
    for (let i = 1; i <= REPORTS; i++) {
      await sleep(ms / REPORTS, undefined, { signal })
      progress((100 * i) / REPORTS)
    }
    return { provider, score: 700, confidence: 90 }
  },
)
