/** Runs one task in this process, thread or processor: where every driver ends. */

import { toJson } from './serialize.ts'
import type { TaskRegistry } from './task.ts'
import { taskError } from './task-errors.ts'
import { encodeFailure, encodeSuccess } from './task-result.ts'

export interface Execution {
  name: string
  /** JSON. */
  args: string
  signal: AbortSignal
  progress(percent: number): void
}

/** @returns a TaskResult as JSON. Never rejects. */
export async function execute(
  tasks: TaskRegistry,
  { name, args, signal, progress }: Execution,
): Promise<string> {
  try {
    const definition = tasks.get(name)
    if (!definition) throw taskError(name, 'unknown_task', 'it is not defined where it should run.')
    const parsed = definition.schema.args.safeParse(JSON.parse(args))
    if (!parsed.success)
      throw taskError(name, 'invalid_arguments', `its arguments are invalid: ${parsed.error.message}`)
    const context = {
      signal,
      progress: (percent: number) => progress(clamp(percent)),
    }
    const result = await untilAborted(name, signal, definition.fn(parsed.data, context))
    const checked = definition.schema.result.safeParse(result)
    if (!checked.success)
      throw taskError(name, 'invalid_result', `its result is invalid: ${checked.error.message}`)
    return encodeSuccess(toJson(name, 'result', checked.data))
  } catch (thrown) {
    return encodeFailure(name, thrown)
  }
}

/** Rejects as soon as the signal fires, also where the task ignores it. */
async function untilAborted<T>(name: string, signal: AbortSignal, result: T | Promise<T>): Promise<T> {
  let abort = (): void => {}
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(taskError(name, 'aborted', 'it was aborted.'))
    if (signal.aborted) abort()
    else signal.addEventListener('abort', abort)
  })
  try {
    return await Promise.race([result, aborted])
  } finally {
    signal.removeEventListener('abort', abort)
  }
}

const clamp = (percent: number): number =>
  Number.isFinite(percent) ? Math.min(100, Math.max(0, percent)) : 0
