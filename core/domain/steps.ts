/**
 * The steps of a request: those before the current one are done, those after it wait. A step may have parts, which run
 * side by side while it is the current one and end with it.
 */
import { toIso } from './iso-time.ts'
import type { Step, SubstepReport } from './record.ts'

const NOT_BEGUN = { state: 'waiting', started_at: null, finished_at: null } as const

/** The steps of a service, before any is begun. */
export const initialSteps = (steps: readonly Pick<Step, 'id' | 'of'>[]): Step[] =>
  steps.map(({ id, of }) => ({ id, ...NOT_BEGUN, ...(of !== undefined && { of }) }))

/** The steps with `id` as the current one; unchanged when the service has no such step. */
export function moveToStep(steps: readonly Step[], id: string, at: number): Step[] {
  const named = steps.find((step) => step.id === id)
  if (!named) return [...steps]
  const index = topLevelIndex(steps, named)
  const isAnew = steps[index]?.state === 'done'
  return steps.map((step) => {
    const place = topLevelIndex(steps, step)
    if (place < index) return toEnded(step, at)
    if (place > index) return toWaiting(step)
    const anew = isAnew && step.of !== undefined ? toWaiting(step) : step
    if (step.of !== undefined) return step === named ? toCurrent(anew, {}, at) : anew
    return { ...step, state: 'current', started_at: step.started_at ?? toIso(at), finished_at: null }
  })
}

/** The parts of the current step as they are reported. What is done stays done, and progress never falls. */
export function applySubstepReports(
  steps: readonly Step[],
  reports: readonly SubstepReport[],
  at: number,
): Step[] {
  const told = new Map(reports.map((report) => [report.id, report]))
  return steps.map((step) => {
    const report = told.get(step.id)
    if (!report || !isPartOfCurrent(steps, step)) return step
    if (report.state === 'current') return toCurrent(step, report, at)
    return report.state === 'done' ? toDone(step, at, report.outcome) : step
  })
}

/** A new attempt does the current step anew, and with it its parts. */
export const resetSubsteps = (steps: readonly Step[]): Step[] =>
  steps.map((step) => (isPartOfCurrent(steps, step) ? toWaiting(step) : step))

export const completeAll = (steps: readonly Step[], at: number): Step[] =>
  steps.map((step) => toEnded(step, at))

/** Where a step stands, or the one that it is a part of. */
const topLevelIndex = (steps: readonly Step[], { id, of = id }: Step): number =>
  steps.findIndex((step) => step.id === of)

const isPartOfCurrent = (steps: readonly Step[], step: Step): boolean =>
  step.of !== undefined && steps[topLevelIndex(steps, step)]?.state === 'current'

/** As it was before it was begun. */
function toWaiting(step: Step): Step {
  const isUntouched = step.state === 'waiting' && step.started_at === null && step.finished_at === null
  if (isUntouched && step.progress === undefined && step.outcome === undefined) return step
  const { progress: _over, outcome: _old, ...kept } = step
  return { ...kept, ...NOT_BEGUN }
}

function toCurrent(part: Step, { progress }: Partial<SubstepReport>, at: number): Step {
  if (part.state === 'done') return part
  const told = Number.isFinite(progress) ? Math.floor(Math.min(100, Math.max(0, progress as number))) : 0
  return {
    ...part,
    state: 'current',
    started_at: part.started_at ?? toIso(at),
    progress: Math.max(told, part.progress ?? 0),
  }
}

/** A part that nobody has finished was not needed any more. */
const toEnded = (step: Step, at: number): Step =>
  toDone(step, at, step.of === undefined ? undefined : 'skipped')

function toDone(step: Step, at: number, outcome?: Step['outcome']): Step {
  if (step.state === 'done') return step
  const { progress: _over, ...rest } = step
  return { ...rest, state: 'done', finished_at: step.started_at && toIso(at), ...(outcome && { outcome }) }
}
