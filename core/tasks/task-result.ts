/** How a task ended, as it travels: JSON. */
import { type ErrorJson, TaskError, toErrorJson } from './task-errors.ts'

type TaskResult = { ok: true; value: unknown } | { ok: false; error: ErrorJson }

/** @param value JSON already */
export const encodeSuccess = (value: string): string => `{"ok":true,"value":${value}}`
export const encodeFailure = (task: string, thrown: unknown): string =>
  JSON.stringify({ ok: false, error: toErrorJson(task, thrown) } satisfies TaskResult)

/** @throws TaskError */
export function decodeResult(task: string, json: string): unknown {
  const outcome = JSON.parse(json) as TaskResult
  if (outcome.ok) return outcome.value
  throw new TaskError(task, outcome.error)
}
