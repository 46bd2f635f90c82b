/** Runs a task in a process or thread of the pool. Its signal never fires: to abort it the pool ends the process or thread. */
import type { MessagePort } from 'node:worker_threads'
import { execute } from './execute-task.ts'
import { loadTasks } from './task.ts'
import { encodeFailure } from './task-result.ts'

interface PoolTask {
  tasks: string
  name: string
  args: string
  port?: MessagePort
}

export default async function run({ tasks, name, args, port }: PoolTask): Promise<string> {
  const progress = (percent: number): void => {
    if (port) port.postMessage({ progress: percent })
    else process.send?.({ progress: percent })
  }
  try {
    return await execute(await loadTasks(tasks), {
      name,
      args,
      signal: new AbortController().signal,
      progress,
    })
  } catch (error) {
    // The module of the tasks cannot be loaded.
    return encodeFailure(name, error)
  }
}
