/**
 * What a request page knows, and the one way it changes. All ways of hearing feed the same reducer, in any order and
 * as often as they like: what is not newer than what is shown changes nothing.
 */
import { isNewer } from '../core/domain/compare.ts'
import { isFinal, isScheduled, type PublicView } from '../core/domain/record.ts'

/**
 * `connecting` is the first moment only: nothing is said about it. `degraded`: the server is there and cannot see the
 * requests.
 */
export type Connection = 'connecting' | 'live' | 'reconnecting' | 'polling' | 'degraded' | 'offline'

/** Whether what is shown may be out of date. */
export const isStale = (connection: Connection): boolean =>
  connection === 'offline' || connection === 'reconnecting' || connection === 'degraded'

export interface State {
  view: PublicView
  /** The promised rest in seconds, and when it was promised; it only ever gets shorter. */
  remaining: { seconds: number; at: number }
  connection: Connection
  gone: boolean
}

export type Event =
  | { type: 'view'; view: PublicView; at: number }
  /** The record is no more, or never was. */
  | { type: 'gone' }
  | { type: 'connection'; connection: Connection }

export const firstState = (view: PublicView, at: number): State => ({
  view,
  remaining: { seconds: view.estimated_remaining_time, at },
  connection: 'connecting',
  gone: false,
})

/** The same object when nothing changed. */
export function reduce(state: State, event: Event): State {
  switch (event.type) {
    case 'view':
      return takeView(state, event.view, event.at)
    case 'gone':
      return state.gone ? state : { ...state, gone: true }
    case 'connection':
      return state.connection === event.connection ? state : { ...state, connection: event.connection }
  }
}

/** Whole seconds that are left. Counts down only while the bot works: queue and code prompt stop the clock. */
export function remainingSeconds({ view, remaining }: State, now: number): number {
  if (view.status !== 'processing') return remaining.seconds
  return Math.max(0, Math.ceil(remaining.seconds - (now - remaining.at) / 1000))
}

/** Two views of the same kind are the same page with other numbers; any other needs the server's page for it. */
export function pageKind(view: PublicView): string {
  // Whatever else changes meanwhile, the page stays while a code is being typed into it.
  if (view.requires_otp) return 'code'
  const kind = isFinal(view.status) ? view.status : isScheduled(view) ? 'scheduled' : 'running'
  return [kind, ...view.steps.map((step) => step.id)].join(' ')
}

function takeView(state: State, view: PublicView, at: number): State {
  if (view.hash !== state.view.hash) return state
  const isNew = isNewer(view, state.view)
  if (!isNew && (isNewer(state.view, view) || isFinal(view.status))) return state
  // The place in the queue and the estimate move without a new version; everything else of it is known.
  // A null place says only that nobody looked it up.
  const { estimated_remaining_time } = view
  const queue_position = view.queue_position ?? state.view.queue_position
  const next = isNew ? view : { ...state.view, queue_position, estimated_remaining_time }
  const seconds = Math.min(remainingSeconds(state, at), view.estimated_remaining_time)
  return { ...state, view: next, remaining: { seconds, at } }
}
