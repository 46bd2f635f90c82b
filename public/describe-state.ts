/** The texts of a request page at this moment, with times in the viewer's time zone. */
import { describeRequest, type RequestDescription } from '../core/presentation/describe-request.ts'
import { easedProgress } from './eased-progress.ts'
import type { Page } from './page-data.ts'
import { earliestSeconds, isQueueLate, isStale, remainingSeconds, type State, shownTime } from './reducer.ts'

export function describeState(state: State, page: Page): RequestDescription {
  const now = shownTime(state, page.clock())
  const [earliestWork, latestWork] = page.pace.total ?? [0, 0]
  return describeRequest(
    { ...state.view, progress: Math.floor(state.shown) },
    {
      ...page,
      now,
      reason: state.paused ? page.read({ ...state.paused, message: null }) : page.reason,
      remainingSeconds: remainingSeconds(state, now, latestWork),
      earliestSeconds: earliestSeconds(state, now, earliestWork),
      isStale: isStale(state.connection),
      isQueueLate: isQueueLate(state, now, latestWork),
    },
  )
}

/** The state with the progress that is to be shown at this moment. */
export function easeProgress(state: State, page: Page): State {
  const shown = easedProgress(state.view, page.pace.steps, shownTime(state, page.clock()))
  return shown > state.shown ? { ...state, shown } : state
}
