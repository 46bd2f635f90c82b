/** Sends the newest state of a request to its listeners: throttled, and a final one immediately. */
import { isFinal, type PublicView, type StatePosition } from '../domain/record.ts'
import { decodeView, encodeView, peekPosition } from '../records/codec.ts'

/** A view as JSON, encoded once for all listeners and parsed only when `view` is read. */
export interface EncodedUpdate {
  readonly json: string
  readonly position: StatePosition
  readonly view: PublicView
}

/** Null when it is not an own view. */
export function parseUpdate(json: string): EncodedUpdate | null {
  const position = peekPosition(json)
  if (!position) return null
  let parsed: PublicView | null = null
  return {
    json,
    position,
    get view() {
      parsed ??= decodeView(json) as PublicView
      return parsed
    },
  }
}

export interface UpdateListener {
  onUpdate(update: EncodedUpdate): void
  /** The request has expired; nothing follows. */
  onExpired(): void
}

/** The state that this needs for each request. */
export interface BroadcastState {
  /** Each with the JSON that it received last. */
  listeners: Map<UpdateListener, string>
  /** Of the newest state; null before the first. */
  latest: StatePosition | null
  /** The newest state as text: parsed it takes three times the memory. */
  json: string
  /** The position in the queue while it waits there. Not part of the record, so no published view has it. */
  queuePosition: number | null
  sentAt: number
  timer: NodeJS.Timeout | undefined
  isClosed: boolean
}

export const createBroadcastState = (): BroadcastState => ({
  listeners: new Map(),
  latest: null,
  json: '',
  queuePosition: null,
  sentAt: Number.NEGATIVE_INFINITY,
  timer: undefined,
  isClosed: false,
})

export const latestOf = ({ latest, json }: BroadcastState): EncodedUpdate | null =>
  latest && parseUpdate(json)

/** @param everyMs the shortest time between two updates; states in between are merged into the newest. 0 sends each immediately */
export function broadcast(state: BroadcastState, newer: EncodedUpdate, everyMs: number): void {
  const update = withQueuePosition(newer, state.queuePosition)
  state.latest = update.position
  state.json = update.json
  if (state.listeners.size === 0) return
  const restMs = isFinal(update.position.status) ? 0 : state.sentAt + everyMs - performance.now()
  if (restMs <= 0) flush(state, update)
  else state.timer ??= setTimeout(flush, Math.ceil(restMs), state).unref()
}

/** Sends the same state with another queue position. */
export function broadcastPosition(
  state: BroadcastState,
  queuePosition: number | null,
  everyMs: number,
): void {
  if (queuePosition === state.queuePosition) return
  state.queuePosition = queuePosition
  const latest = latestOf(state)
  if (latest) broadcast(state, latest, everyMs)
}

function withQueuePosition(update: EncodedUpdate, queuePosition: number | null): EncodedUpdate {
  if (update.position.status !== 'pending' || update.view.queue_position === queuePosition) return update
  return parseUpdate(encodeView({ ...update.view, queue_position: queuePosition })) as EncodedUpdate
}

export function flush(state: BroadcastState, update = latestOf(state)): void {
  cancelBroadcast(state)
  if (!update) return
  state.sentAt = performance.now()
  for (const [listener, received] of state.listeners) {
    if (received === update.json) continue
    state.listeners.set(listener, update.json)
    listener.onUpdate(update)
  }
}

export function cancelBroadcast(state: BroadcastState): void {
  if (state.timer) clearTimeout(state.timer)
  state.timer = undefined
}
