// tasks.ts
import { z } from 'zod'
import { defineTask } from './core/tasks/task.ts'

// Loaded by callers and by what runs the tasks.
export const askProvider = defineTask(
  'ask-provider',
  { args: z.object({ provider: z.string() }), result: z.object({ score: z.number() }) },
  async ({ provider }, { signal, progress }) => {
    progress(50)
    return (await fetch(`https://${provider}.example/score`, { signal })).json()
  },
)
