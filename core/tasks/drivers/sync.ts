/** `sync`: runs tasks in this process, one after the other. For tests, and for tasks that are not slow. */
import { execute } from '../execute-task.ts'
import { runLimited } from '../run-limited.ts'
import type { TaskRegistry } from '../task.ts'
import type { Driver } from './driver.ts'

export const createSyncDriver = (tasks: TaskRegistry): Driver => ({
  limit: 1,
  run: (call) =>
    runLimited(call, async (signal) => {
      const { name, args, onProgress: progress = () => {} } = call
      const outcome = await execute(tasks, { name, args, signal, progress })
      signal.throwIfAborted()
      return outcome
    }),
  stop: async () => {},
})
