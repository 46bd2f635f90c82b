/**
 * What can go wrong with a task. A task's own error keeps its name, message, code and stack wherever it was thrown; what
 * is wrong with the task itself has one of our codes. Both say which task it was.
 */

/** Ours, beside the codes that tasks' own errors have. */
export type TaskErrorCode =
  /** Where it should have run, nobody knows it: mistyped, or another version. */
  | 'unknown_task'
  | 'invalid_arguments'
  | 'invalid_result'
  /** Arguments or result of more than 1 MB. */
  | 'too_large'
  | 'timed_out'
  | 'aborted'
  /** Whoever ran it died, each time it was tried. */
  | 'task_lost'
  /** It threw something that is no Error. */
  | 'not_an_error'
  /** Nobody is there to run it. */
  | 'no_processor'

/** An error as it travels. */
export interface ErrorJson {
  name: string
  message: string
  code?: string
  stack?: string
}

export class TaskError extends Error {
  /** One of ours, or the code of the error that the task threw, if that has one. */
  readonly code: string | undefined
  readonly task: string
  /** Its place among those that were run together. */
  readonly index: number | undefined

  constructor(
    task: string,
    { name, message, code, stack }: ErrorJson,
    options: { index?: number; cause?: unknown } = {},
  ) {
    super(message, { cause: options.cause })
    this.name = name
    this.code = code
    this.task = task
    this.index = options.index
    if (stack !== undefined) this.stack = stack
  }

  /** Whatever was thrown, as the error of the task at this place. */
  static of(task: string, thrown: unknown, index: number): TaskError {
    return new TaskError(task, toErrorJson(task, thrown), { index, cause: (thrown as Error | null)?.cause })
  }
}

export const taskError = (task: string, code: TaskErrorCode, detail: string): TaskError =>
  new TaskError(task, { name: 'TaskError', message: `Task "${task}": ${detail}`, code })

/** What a task threw, whatever it is. */
export function toErrorJson(task: string, thrown: unknown): ErrorJson {
  if (!(thrown instanceof Error)) {
    const kind = thrown === null ? 'null' : typeof thrown
    return errorJson(taskError(task, 'not_an_error', `it threw ${kind}, which is no Error.`))
  }
  return errorJson(thrown)
}

function errorJson(error: Error): ErrorJson {
  const { code } = error as { code?: unknown }
  return {
    name: String(error.name),
    message: String(error.message).slice(0, 10_000),
    ...(typeof code === 'string' && { code }),
    ...(typeof error.stack === 'string' && { stack: error.stack.slice(0, 10_000) }),
  }
}
