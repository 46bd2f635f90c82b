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
export const isStale = (
  connection: Connection,
): connection is Exclude<Connection, 'connecting' | 'live' | 'polling'> =>
  connection === 'offline' || connection === 'reconnecting' || connection === 'degraded'

export interface State {
  view: PublicView
  /** Seconds until the latest and the earliest expected end, and when they were estimated. */
  remaining: { seconds: number; earliest: number | null; at: number }
  connection: Connection
  /** The progress as shown, percent: it moves on between two reports, and never back. */
  shown: number
  /** The last view between two attempts: why the one before failed. Null before the page has seen one. */
  paused: PublicView | null
  /** When the page was known to be up to date, milliseconds. */
  asOf: number
  gone: boolean
}

export type Event =
  | { type: 'view'; view: PublicView; at: number }
  /** The record is missing or expired. */
  | { type: 'gone' }
  | { type: 'connection'; connection: Connection; at: number }

export const firstState = (view: PublicView, at: number): State => ({
  view,
  remaining: remainingOf(view, at),
  shown: view.progress,
  connection: 'connecting',
  asOf: at,
  paused: null,
  gone: false,
})

/** The time that the page shows: it stands still while the page may be out of date. */
export const shownTime = (state: State, now: number): number => (isStale(state.connection) ? state.asOf : now)

/** Returns the same object when nothing changed. */
export function reduce(state: State, event: Event): State {
  switch (event.type) {
    case 'view':
      return applyView(state, event.view, event.at)
    case 'gone':
      return state.gone ? state : { ...state, gone: true }
    case 'connection':
      return applyConnection(state, event.connection, event.at)
  }
}

const remainingOf = (view: PublicView, at: number): State['remaining'] => ({
  seconds: view.estimated_remaining_time,
  earliest: view.estimated_remaining_range?.[0] ?? null,
  at,
})

/**
 * Whole seconds left. Counts down while the bot works, while the queue moves and until a scheduled start: a held queue and a
 * code prompt stop the clock.
 *
 * @param work seconds that the work itself takes: no less is left in a queue
 */
export const remainingSeconds = (state: State, now: number, work = 0): number =>
  countDown(state, state.remaining.seconds, now, work)

/** As `remainingSeconds`, until the earliest expected end; null where nothing is expected. */
export const earliestSeconds = (state: State, now: number, work = 0): number | null =>
  state.remaining.earliest === null ? null : countDown(state, state.remaining.earliest, now, work)

/** Whether it should have started by now. @param work as for `remainingSeconds` */
export const isQueueLate = (state: State, now: number, work: number): boolean =>
  isInMovingQueue(state.view) && secondsLeft(state, state.remaining.seconds, now) < work

const countDown = (state: State, seconds: number, now: number, work: number): number =>
  Math.max(isInMovingQueue(state.view) ? Math.ceil(work) : 0, secondsLeft(state, seconds, now))

function secondsLeft({ view, remaining: { at } }: State, seconds: number, now: number): number {
  const until =
    view.status === 'processing' || isInMovingQueue(view) ? now
    : isScheduled(view) ? Math.min(now, Date.parse(view.run_at ?? ''))
    : at // biome-ignore format: a table
  return Math.ceil(seconds - Math.max(0, until - at) / 1000)
}

const isInMovingQueue = (view: PublicView): boolean =>
  view.status === 'pending' && !isScheduled(view) && view.queue_position !== null && !view.queue_hold

/** Views of the same kind differ in numbers only; a view of another kind needs another page of the server. */
export function pageKind(view: PublicView): string {
  // Regardless of other changes the page stays while a code is being typed. Another question needs another form.
  const { otp_data: prompt } = view
  if (view.requires_otp) return prompt && prompt.kind !== 'code' ? `${prompt.kind} ${prompt.id}` : 'code'
  // Where it is kept longer, the page says until when.
  const kind =
    isFinal(view.status) ? `${view.status} ${view.expires_at}`
    : isScheduled(view) ? 'scheduled'
    : 'running' // biome-ignore format: a table
  return [kind, ...view.steps.map((step) => step.id)].join(' ')
}

/** A loss is shown once it has lasted for so long. */
const LOSS_SHOWN_AFTER_MS = 2000

function applyConnection(state: State, connection: Connection, at: number): State {
  if (state.connection === connection) return state
  const wasUp = state.connection === 'live' || state.connection === 'polling'
  const isUp = !isStale(connection)
  const asOf = isUp ? at : wasUp ? Math.max(state.asOf, at - LOSS_SHOWN_AFTER_MS) : state.asOf
  return { ...state, connection, asOf }
}

function applyView(state: State, view: PublicView, at: number): State {
  if (view.hash !== state.view.hash) return state
  const isNew = isNewer(view, state.view)
  if (!isNew && (isNewer(state.view, view) || isFinal(view.status))) return state
  // These change without a new version. Null means only that they were not looked up.
  const { queue_position, queue_hold, estimated_remaining_time } = view
  const next = isNew
    ? view
    : {
        ...state.view,
        estimated_remaining_time,
        bot_seen_at: view.bot_seen_at ?? state.view.bot_seen_at,
        ...(queue_position !== null && { queue_position, queue_hold }),
      }
  const shown = Math.max(state.shown, next.progress)
  const paused = next.next_retry_at === null ? state.paused : next
  return { ...state, view: next, paused, shown, asOf: at, remaining: nextRemaining(state, view, at) }
}

/**
 * The shown rest grows only together with the reason: it is late, or another attempt has started. In a queue it is estimated
 * again when the place changes: another look at the same place says nothing new.
 */
function nextRemaining(state: State, view: PublicView, at: number): State['remaining'] {
  const next = remainingOf(view, at)
  const isSamePlace = view.queue_position === state.view.queue_position && isInMovingQueue(state.view)
  if (isInMovingQueue(view) && isSamePlace && next.seconds === state.remaining.seconds) return state.remaining
  const mayGrow = view.is_late || view.attempt > state.view.attempt || state.view.started_at === null
  return mayGrow ? next : { ...next, seconds: Math.min(remainingSeconds(state, at), next.seconds) }
}
