/**
 * The steps of a request: those before the current one are done, those after it are waiting. A step may have substeps, which
 * run concurrently while it is current and end with it.
 */
import { toIso } from './iso-time.ts'
import type { RequestRecord } from './record.ts'
import type { Step, SubstepReport } from './step.ts'

const NOT_STARTED = { state: 'waiting', started_at: null, finished_at: null } as const

/** The steps of a service, none started. */
export const initialSteps = (steps: readonly Pick<Step, 'id' | 'of'>[]): Step[] =>
  steps.map(({ id, of }) => ({ id, ...NOT_STARTED, ...(of !== undefined && { of }) }))

/**
 * The steps with `id` as the current one; unchanged when the service has no such step.
 *
 * @param isFirstReport whether it is the first report of an attempt, which resets the states and times of an earlier attempt
 */
export function moveToStep(before: readonly Step[], id: string, at: number, isFirstReport = false): Step[] {
  const steps = isFirstReport ? before.map(toWaiting) : before
  const named = steps.find((step) => step.id === id)
  if (!named) return [...steps]
  const index = topLevelIndex(steps, named)
  const isRestarted = steps[index]?.state === 'done'
  return steps.map((step) => {
    const place = topLevelIndex(steps, step)
    if (place < index) return toEnded(step, at)
    if (place > index) return toWaiting(step)
    const restarted = isRestarted && step.of !== undefined ? toWaiting(step) : step
    if (step.of !== undefined) return step === named ? toCurrent(restarted, {}, at) : restarted
    return { ...step, state: 'current', started_at: step.started_at ?? toIso(at), finished_at: null }
  })
}

/** Applies reports to the substeps of the current step. A finished substep stays finished, and progress never decreases. */
export function applySubstepReports(
  steps: readonly Step[],
  reports: readonly SubstepReport[],
  at: number,
): Step[] {
  const byId = new Map(reports.map((report) => [report.id, report]))
  return steps.map((step) => {
    const report = byId.get(step.id)
    if (!report || !isSubstepOfCurrent(steps, step)) return step
    if (report.state === 'current') return toCurrent(step, report, at)
    return report.state === 'done' ? toDone(step, at, report.outcome) : step
  })
}

/** Resets the substeps of the current step: a new attempt repeats them. */
export const resetSubsteps = (steps: readonly Step[]): Step[] =>
  steps.map((step) => (isSubstepOfCurrent(steps, step) ? toWaiting(step) : step))

export const completeAll = (steps: readonly Step[], at: number): Step[] =>
  steps.map((step) => toEnded(step, at))

/** Index of a step, or of the parent of a substep. */
const topLevelIndex = (steps: readonly Step[], { id, of = id }: Step): number =>
  steps.findIndex((step) => step.id === of)

const isSubstepOfCurrent = (steps: readonly Step[], step: Step): boolean =>
  step.of !== undefined && steps[topLevelIndex(steps, step)]?.state === 'current'

function toWaiting(step: Step): Step {
  const isUntouched = step.state === 'waiting' && step.started_at === null && step.finished_at === null
  if (isUntouched && step.progress === undefined && step.outcome === undefined) return step
  const { progress: _over, outcome: _old, waited_ms: _waited, ...kept } = step
  return { ...kept, ...NOT_STARTED }
}

function toCurrent(substep: Step, { progress }: Partial<SubstepReport>, at: number): Step {
  if (substep.state === 'done') return substep
  const reported = Number.isFinite(progress) ? Math.floor(Math.min(100, Math.max(0, progress as number))) : 0
  return {
    ...substep,
    state: 'current',
    started_at: substep.started_at ?? toIso(at),
    progress: Math.max(reported, substep.progress ?? 0),
  }
}

/** An unfinished substep becomes `skipped`. */
const toEnded = (step: Step, at: number): Step =>
  toDone(step, at, step.of === undefined ? undefined : 'skipped')

function toDone(step: Step, at: number, outcome?: Step['outcome']): Step {
  if (step.state === 'done') return step
  const { progress: _over, ...rest } = step
  return { ...rest, state: 'done', finished_at: step.started_at && toIso(at), ...(outcome && { outcome }) }
}

/** Progress never decreases, not across a retry either, and is at most 99 before completion. */
export function raiseProgress(next: RequestRecord, progress: number): void {
  const whole = Number.isFinite(progress) ? Math.floor(progress) : 0
  next.progress = next.max_progress = Math.max(
    next.progress,
    next.max_progress,
    Math.min(99, Math.max(0, whole)),
  )
}
