/**
 * A task: a named function with JSON arguments and a JSON result, both validated where they are sent and where they arrive.
 * A closure cannot be sent to another thread or machine; a name can, where the same module is loaded.
 */
import type { z } from 'zod'

export interface TaskContext {
  /** Fires when the result is no longer wanted, and when the timeout has passed. */
  signal: AbortSignal
  /** Reports progress, 0 to 100. */
  progress(percent: number): void
}

export interface TaskDefinition<Args = unknown, Result = unknown> {
  readonly isTask: true
  readonly name: string
  readonly schema: { readonly args: z.ZodType<Args>; readonly result: z.ZodType<Result> }
  readonly fn: (args: Args, context: TaskContext) => Result | Promise<Result>
}

/** A task with its arguments, ready to run. */
export interface TaskCall<Result = unknown> {
  readonly name: string
  readonly args: unknown
  /** Missing for a task that is called by name: its result is not validated. */
  readonly definition?: TaskDefinition<never, Result>
  /** Called with each progress that the task reports. */
  readonly onProgress?: (percent: number) => void
}

/** Results in the order of the calls. */
export type ResultsOf<Calls extends readonly TaskCall[]> = {
  -readonly [I in keyof Calls]: Calls[I] extends TaskCall<infer Result> ? Result : never
}

export interface RunOptions {
  /** Aborts all of them. */
  signal?: AbortSignal
  /** Seconds for each; 0 for no limit. */
  timeout?: number
  /** How many run concurrently at most. */
  limit?: number
}

export type RunTasks = <const Calls extends readonly TaskCall[]>(
  calls: Calls,
  options?: RunOptions,
) => Promise<ResultsOf<Calls>>

const NAME = /^[a-z][a-z0-9-]{0,99}$/

/** Export the definition from a module that caller and worker both load. */
export function defineTask<Args, Result>(
  name: string,
  schema: { args: z.ZodType<Args>; result: z.ZodType<Result> },
  fn: (args: Args, context: TaskContext) => Result | Promise<Result>,
): TaskDefinition<Args, Result> {
  if (!NAME.test(name))
    throw new Error(`invalid task name "${name}": use lower-case letters, digits and dashes`)
  return Object.freeze({ isTask: true, name, schema, fn })
}

/** @param definition a task, or its name; the result of a name is not validated */
export function task<Args, Result>(
  definition: TaskDefinition<Args, Result>,
  args: NoInfer<Args>,
  options?: Pick<TaskCall, 'onProgress'>,
): TaskCall<Result>
export function task(definition: string, args: unknown, options?: Pick<TaskCall, 'onProgress'>): TaskCall
export function task<Args, Result>(
  definition: string | TaskDefinition<Args, Result>,
  args: unknown,
  options: Pick<TaskCall, 'onProgress'> = {},
): TaskCall<Result> {
  if (typeof definition === 'string') return { name: definition, args, ...options }
  const erased = definition as unknown as TaskDefinition<never, Result>
  return { name: definition.name, args, definition: erased, ...options }
}

export type TaskRegistry = ReadonlyMap<string, TaskDefinition<never, unknown>>

/** All tasks that the module at this URL exports. */
export async function loadTasks(url: string): Promise<TaskRegistry> {
  const exports = Object.values((await import(url)) as Record<string, unknown>).filter(isTask)
  const tasks = new Map(exports.map((definition) => [definition.name, definition]))
  if (tasks.size < exports.length) throw new Error(`two tasks in ${url} have the same name`)
  return tasks
}

const isTask = (value: unknown): value is TaskDefinition<never, unknown> =>
  typeof value === 'object' && value !== null && (value as { isTask?: unknown }).isTask === true
