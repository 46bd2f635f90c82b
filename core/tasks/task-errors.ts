/**
 * Errors of tasks. An error that a task throws keeps its name, message, code and stack, wherever the task ran; errors of
 * running it have a TaskErrorCode. Both name the task.
 */

/** In addition to the codes of errors that tasks throw. */
export type TaskErrorCode =
  /** Not defined where it should have run: a mistyped name, or a processor of another version. */
  | 'unknown_task'
  | 'invalid_arguments'
  | 'invalid_result'
  /** Arguments or result of more than 1 MB. */
  | 'too_large'
  | 'timed_out'
  | 'aborted'
  /** Each process that ran it died, or its key was lost with the data of a Redis. */
  | 'task_lost'
  /** It threw a value that is no Error. */
  | 'not_an_error'
  /** No processor is running. */
  | 'no_processor'

/** An error as it is serialized. */
export interface ErrorJson {
  name: string
  message: string
  code?: string
  stack?: string
}

export class TaskError extends Error {
  /** A TaskErrorCode, or the code of the error that the task threw. */
  readonly code: string | undefined
  readonly task: string
  /** Its index among the calls that were run together. */
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

  /** Wraps whatever the call with this index threw. */
  static of(task: string, thrown: unknown, index: number): TaskError {
    return new TaskError(task, toErrorJson(task, thrown), { index, cause: (thrown as Error | null)?.cause })
  }
}

export const taskError = (task: string, code: TaskErrorCode, detail: string): TaskError =>
  new TaskError(task, { name: 'TaskError', message: `Task "${task}": ${detail}`, code })

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
