/** Who listens to a request is told its newest state: not more often than they can take, and a final one at once. */
import { isFinal, type PublicView, type StatePosition } from '../domain/record.ts'
import { decodeView, encodeView, peekPosition } from '../records/codec.ts'

/** A view, as JSON encoded once for everybody; parsed when somebody asks for it. */
export interface EncodedUpdate {
  readonly json: string
  readonly position: StatePosition
  readonly view: PublicView
}

/** Null when it is none of ours. */
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
  update(update: EncodedUpdate): void
  /** The request is gone; nothing follows. */
  expired(): void
}

/** What is kept for it of each request. */
export interface BroadcastState {
  /** Each with the JSON that it heard last. */
  listeners: Map<UpdateListener, string>
  /** Of the newest state; null before the first. */
  latest: StatePosition | null
  /** The newest state, as text: parsed it takes three times as much. */
  json: string
  /** In the queue, while it waits there. Nobody who writes or publishes knows it. */
  place: number | null
  sentAt: number
  timer: NodeJS.Timeout | undefined
  isClosed: boolean
}

export const createBroadcastState = (): BroadcastState => ({
  listeners: new Map(),
  latest: null,
  json: '',
  place: null,
  sentAt: Number.NEGATIVE_INFINITY,
  timer: undefined,
  isClosed: false,
})

export const latestOf = ({ latest, json }: BroadcastState): EncodedUpdate | null =>
  latest && parseUpdate(json)

/** @param everyMs what comes sooner after the last one is told then, all of it in one; 0 for always at once */
export function broadcast(told: BroadcastState, newer: EncodedUpdate, everyMs: number): void {
  const update = withPlace(newer, told.place)
  told.latest = update.position
  told.json = update.json
  if (told.listeners.size === 0) return
  const restMs = isFinal(update.position.status) ? 0 : told.sentAt + everyMs - performance.now()
  if (restMs <= 0) flush(told, update)
  else told.timer ??= setTimeout(flush, Math.ceil(restMs), told).unref()
}

/** The same state, at another place in the queue. */
export function tellPlace(told: BroadcastState, place: number | null, everyMs: number): void {
  if (place === told.place) return
  told.place = place
  const latest = latestOf(told)
  if (latest) broadcast(told, latest, everyMs)
}

function withPlace(update: EncodedUpdate, place: number | null): EncodedUpdate {
  if (update.position.status !== 'pending' || update.view.queue_position === place) return update
  return parseUpdate(encodeView({ ...update.view, queue_position: place })) as EncodedUpdate
}

export function flush(told: BroadcastState, update = latestOf(told)): void {
  cancel(told)
  if (!update) return
  told.sentAt = performance.now()
  for (const [listener, heard] of told.listeners) {
    if (heard === update.json) continue
    told.listeners.set(listener, update.json)
    listener.update(update)
  }
}

export function cancel(told: BroadcastState): void {
  if (told.timer) clearTimeout(told.timer)
  told.timer = undefined
}
