/**
 * The state of a request page and its reducer. All transports feed it, in any order and repeatedly: a view that is not
 * newer than the shown one changes nothing.
 */
import { isFinal, isNewer, isScheduled, type PublicView } from '../core/domain/record.ts'

/**
 * `connecting` lasts until the first transport works and is not shown. `degraded`: the server is up, but its storage is
 * not.
 */
export type Connection = 'connecting' | 'live' | 'reconnecting' | 'polling' | 'degraded' | 'offline'

/** Whether the page may be out of date. */
export const isStale = (connection: Connection): boolean =>
  connection === 'offline' || connection === 'reconnecting' || connection === 'degraded'

export interface State {
  view: PublicView
  /** The remaining seconds, and when they were estimated. The shown rest never grows. */
  remaining: { seconds: number; at: number }
  connection: Connection
  gone: boolean
}

export type Event =
  | { type: 'view'; view: PublicView; at: number }
  /** The record is missing or expired. */
  | { type: 'gone' }
  | { type: 'connection'; connection: Connection }

export const firstState = (view: PublicView, at: number): State => ({
  view,
  remaining: { seconds: view.estimated_remaining_time, at },
  connection: 'connecting',
  gone: false,
})

/** Returns the same object when nothing changed. */
export function reduce(state: State, event: Event): State {
  switch (event.type) {
    case 'view':
      return applyView(state, event.view, event.at)
    case 'gone':
      return state.gone ? state : { ...state, gone: true }
    case 'connection':
      return state.connection === event.connection ? state : { ...state, connection: event.connection }
  }
}

/** Whole seconds left. Counts down only while the bot works: queue and code prompt stop the clock. */
export function remainingSeconds({ view, remaining }: State, now: number): number {
  if (view.status !== 'processing') return remaining.seconds
  return Math.max(0, Math.ceil(remaining.seconds - (now - remaining.at) / 1000))
}

/** Views of the same kind differ in numbers only; a view of another kind needs another page of the server. */
export function pageKind(view: PublicView): string {
  // Regardless of other changes the page stays while a code is being typed. Another question needs another form.
  const { otp_data: prompt } = view
  if (view.requires_otp) return prompt && prompt.kind !== 'code' ? `${prompt.kind} ${prompt.id}` : 'code'
  const kind = isFinal(view.status) ? view.status : isScheduled(view) ? 'scheduled' : 'running'
  return [kind, ...view.steps.map((step) => step.id)].join(' ')
}

function applyView(state: State, view: PublicView, at: number): State {
  if (view.hash !== state.view.hash) return state
  const isNew = isNewer(view, state.view)
  if (!isNew && (isNewer(state.view, view) || isFinal(view.status))) return state
  // These change without a new version. Null means only that they were not looked up.
  const { estimated_remaining_time } = view
  const queue_position = view.queue_position ?? state.view.queue_position
  const bot_seen_at = view.bot_seen_at ?? state.view.bot_seen_at
  const next = isNew ? view : { ...state.view, queue_position, bot_seen_at, estimated_remaining_time }
  const seconds = Math.min(remainingSeconds(state, at), view.estimated_remaining_time)
  return { ...state, view: next, remaining: { seconds, at } }
}
