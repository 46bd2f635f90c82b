/** How a task ended, as JSON. */
import { type ErrorJson, TaskError, toErrorJson } from './task-errors.ts'

type TaskResult = { ok: true; value: unknown } | { ok: false; error: ErrorJson }

/** @param value JSON */
export const encodeSuccess = (value: string): string => `{"ok":true,"value":${value}}`

export const encodeFailure = (task: string, thrown: unknown): string =>
  JSON.stringify({ ok: false, error: toErrorJson(task, thrown) } satisfies TaskResult)

/** @throws TaskError */
export function decodeResult(task: string, json: string): unknown {
  const result = JSON.parse(json) as TaskResult
  if (result.ok) return result.value
  throw new TaskError(task, result.error)
}
