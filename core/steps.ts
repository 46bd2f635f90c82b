/** The steps of a request: those before the current one are done, those after it wait. */
import { type Step, toIso } from './record.ts'

/** The steps with `id` as the current one; unchanged when the service has no such step. */
export function stepsAt(steps: readonly Step[], id: string, at: number): Step[] {
  const index = steps.findIndex((step) => step.id === id)
  if (index < 0) return [...steps]
  return steps.map((step, i) => {
    if (i < index) return finished(step, at)
    if (i === index)
      return { ...step, state: 'current', started_at: step.started_at ?? toIso(at), finished_at: null }
    return { id: step.id, state: 'waiting', started_at: null, finished_at: null }
  })
}

export const allDone = (steps: readonly Step[], at: number): Step[] => steps.map((step) => finished(step, at))

const finished = (step: Step, at: number): Step =>
  step.state === 'done' ? step : { ...step, state: 'done', finished_at: step.started_at && toIso(at) }
