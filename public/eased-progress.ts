/** Where the bar is between two reports. */
import type { PublicView } from '../core/domain/record.ts'

/**
 * The reported progress, and what follows from the time since: the bar moves on while the current step takes its usual time,
 * by that step's share of the remaining work, and never past it.
 *
 * @param usual seconds of each step
 * @param now milliseconds, by the server's clock
 * @returns percent, at most 99 before the end
 */
export function easedProgress(
  view: PublicView,
  usual: Readonly<Record<string, number>>,
  now: number,
): number {
  const { progress, status, next_retry_at, updated_at, estimated_remaining_time } = view
  const steps = view.steps.filter(({ of }) => of === undefined)
  const current = steps.findIndex(({ state }) => state === 'current')
  const step = steps[current]
  const seconds = step && usual[step.id]
  if (status !== 'processing' || next_retry_at !== null || !step?.started_at || !seconds) return progress
  const stepLeft =
    seconds - (Date.parse(updated_at) - Date.parse(step.started_at) - (step.waited_ms ?? 0)) / 1000
  if (stepLeft <= 0) return progress
  // The promised end may be sooner than the usual one: the later steps keep their share all the same.
  const later = steps.slice(current + 1).reduce((sum, { id }) => sum + (usual[id] ?? 0), 0)
  const rest = Math.max(estimated_remaining_time, stepLeft + later)
  const passed = Math.min((now - Date.parse(updated_at)) / 1000, stepLeft)
  return Math.max(progress, Math.min(99, progress + ((99 - progress) * Math.max(0, passed)) / rest))
}
