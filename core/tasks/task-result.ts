/** How a task ended, as it travels: JSON. */
import { type ErrorJson, TaskError, toErrorJson } from './task-errors.ts'

type Outcome = { ok: true; value: unknown } | { ok: false; error: ErrorJson }

/** @param value JSON already */
export const goodOutcome = (value: string): string => `{"ok":true,"value":${value}}`
export const badOutcome = (task: string, thrown: unknown): string =>
  JSON.stringify({ ok: false, error: toErrorJson(task, thrown) } satisfies Outcome)

/** @throws TaskError */
export function readOutcome(task: string, json: string): unknown {
  const outcome = JSON.parse(json) as Outcome
  if (outcome.ok) return outcome.value
  throw new TaskError(task, outcome.error)
}
