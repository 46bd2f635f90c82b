/** Sends the newest state of a request to its listeners: throttled, and a final one immediately. */
import { isFinal, type PublicView, type StatePosition } from '../domain/record.ts'
import { type Waiting, withWaiting } from '../domain/waiting.ts'
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
  /** Where it stands while it waits. Not part of the record, so no published view has it. */
  waiting: Waiting | null
  /** Whether `waiting` has an estimate that `json` does not have yet. */
  isEstimateNewer: boolean
  sentAt: number
  timer: NodeJS.Timeout | undefined
  isClosed: boolean
}

export function latestOf(state: BroadcastState): EncodedUpdate | null {
  const update = state.latest && parseUpdate(state.json)
  if (!update || !state.isEstimateNewer) return update
  const newer = addWaiting(update, state.waiting)
  state.json = newer.json
  state.isEstimateNewer = false
  return newer
}

/** @param everyMs the shortest time between two updates; states in between are merged into the newest. 0 sends each immediately */
export function broadcast(state: BroadcastState, newer: EncodedUpdate, everyMs: number): void {
  const update = addWaiting(newer, state.waiting)
  state.latest = update.position
  state.json = update.json
  state.isEstimateNewer = false
  if (state.listeners.size === 0) return
  const restMs = isFinal(update.position.status) ? 0 : state.sentAt + everyMs - performance.now()
  if (restMs <= 0) flush(state, update)
  else state.timer ??= setTimeout(flush, Math.ceil(restMs), state).unref()
}

/**
 * Sends the same state with another queue position or hold. A newer estimate alone is for those who come later, and encoded
 * when they do: it comes every few seconds for each request that waits.
 */
export function broadcastWaiting(state: BroadcastState, waiting: Waiting | null, everyMs: number): void {
  const [before, now] = [state.waiting, waiting].map((one) => JSON.stringify([one?.position, one?.hold]))
  state.waiting = waiting
  state.isEstimateNewer = before === now
  const latest = state.isEstimateNewer ? null : latestOf(state)
  if (latest) broadcast(state, latest, everyMs)
}

function addWaiting(update: EncodedUpdate, waiting: Waiting | null): EncodedUpdate {
  if (!waiting || update.position.status !== 'pending') return update
  return parseUpdate(encodeView(withWaiting(update.view, waiting))) as EncodedUpdate
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
