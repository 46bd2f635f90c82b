/**
 * A task: a named function with JSON arguments and a JSON result, both checked where they come from and where they arrive.
 * A closure cannot travel to another thread or machine; a name can, to wherever the same module is loaded.
 */
import type { z } from 'zod'

export interface TaskContext {
  /** Fires when nobody wants the result any more, or the time is over. */
  signal: AbortSignal
  /** How far it has come, 0 to 100. */
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
  /** How to read the result; unknown for one that is called by its name alone. */
  readonly definition?: TaskDefinition<never, Result>
  /** Told each time that it reports how far it has come. */
  readonly onProgress?: (percent: number) => void
}

/** Results in the order of the calls. */
export type ResultsOf<Calls extends readonly TaskCall[]> = {
  -readonly [I in keyof Calls]: Calls[I] extends TaskCall<infer Result> ? Result : never
}

export interface RunOptions {
  /** Ends all of them with its reason. */
  signal?: AbortSignal
  /** Seconds that each may take; 0 for no limit. */
  timeout?: number
  /** So many at once. */
  limit?: number
}

export type Run = <const Calls extends readonly TaskCall[]>(
  calls: Calls,
  options?: RunOptions,
) => Promise<ResultsOf<Calls>>

const NAME = /^[a-z][a-z0-9-]{0,99}$/

/** To be exported by a module of tasks, which caller and worker both load. */
export function defineTask<Args, Result>(
  name: string,
  schema: { args: z.ZodType<Args>; result: z.ZodType<Result> },
  fn: (args: Args, context: TaskContext) => Result | Promise<Result>,
): TaskDefinition<Args, Result> {
  if (!NAME.test(name)) throw new Error(`bad task name "${name}": small letters, digits and dashes`)
  return Object.freeze({ isTask: true, name, schema, fn })
}

/** @param of a task, or the name of one whose result is then anything */
export function task<Args, Result>(
  of: TaskDefinition<Args, Result>,
  args: NoInfer<Args>,
  options?: Pick<TaskCall, 'onProgress'>,
): TaskCall<Result>
export function task(of: string, args: unknown, options?: Pick<TaskCall, 'onProgress'>): TaskCall
export function task<Args, Result>(
  of: string | TaskDefinition<Args, Result>,
  args: unknown,
  options: Pick<TaskCall, 'onProgress'> = {},
): TaskCall<Result> {
  if (typeof of === 'string') return { name: of, args, ...options }
  return { name: of.name, args, definition: of as unknown as TaskDefinition<never, Result>, ...options }
}

export type TaskRegistry = ReadonlyMap<string, TaskDefinition<never, unknown>>

/** Every task that a module exports. @param url of the module, as `import.meta.url` would say */
export async function loadTasks(url: string): Promise<TaskRegistry> {
  const exports = Object.values((await import(url)) as Record<string, unknown>).filter(isTask)
  const tasks = new Map(exports.map((one) => [one.name, one]))
  if (tasks.size < exports.length) throw new Error(`two tasks in ${url} have the same name`)
  return tasks
}

const isTask = (value: unknown): value is TaskDefinition<never, unknown> =>
  typeof value === 'object' && value !== null && (value as { isTask?: unknown }).isTask === true
