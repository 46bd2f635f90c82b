/** Who listens to a request is told its newest state: not more often than they can take, and a final one at once. */
import { isFinal, type Position, type PublicView } from '../domain/record.ts'
import { positionIn, sealView, unsealView } from '../records/codec.ts'

/** A view, as JSON encoded once for everybody; parsed when somebody asks for it. */
export interface LiveUpdate {
  readonly json: string
  readonly position: Position
  readonly view: PublicView
}

/** Null when it is none of ours. */
export function readUpdate(json: string): LiveUpdate | null {
  const position = positionIn(json)
  if (!position) return null
  let parsed: PublicView | null = null
  return {
    json,
    position,
    get view() {
      parsed ??= unsealView(json) as PublicView
      return parsed
    },
  }
}

export interface LiveListener {
  update(update: LiveUpdate): void
  /** The request is gone; nothing follows. */
  expired(): void
}

/** What is kept for it of each request. */
export interface Told {
  /** Each with the JSON that it heard last. */
  listeners: Map<LiveListener, string>
  /** Of the newest state; null before the first. */
  latest: Position | null
  /** The newest state, as text: parsed it takes three times as much. */
  json: string
  /** In the queue, while it waits there. Nobody who writes or publishes knows it. */
  place: number | null
  toldAt: number
  timer: NodeJS.Timeout | undefined
  isClosed: boolean
}

export const nothingTold = (): Told => ({
  listeners: new Map(),
  latest: null,
  json: '',
  place: null,
  toldAt: Number.NEGATIVE_INFINITY,
  timer: undefined,
  isClosed: false,
})

export const latestOf = ({ latest, json }: Told): LiveUpdate | null => latest && readUpdate(json)

/** @param everyMs what comes sooner after the last one is told then, all of it in one; 0 for always at once */
export function tell(told: Told, newer: LiveUpdate, everyMs: number): void {
  const update = withPlace(newer, told.place)
  told.latest = update.position
  told.json = update.json
  if (told.listeners.size === 0) return
  const restMs = isFinal(update.position.status) ? 0 : told.toldAt + everyMs - performance.now()
  if (restMs <= 0) tellNow(told, update)
  else told.timer ??= setTimeout(tellNow, Math.ceil(restMs), told).unref()
}

/** The same state, at another place in the queue. */
export function tellPlace(told: Told, place: number | null, everyMs: number): void {
  if (place === told.place) return
  told.place = place
  const latest = latestOf(told)
  if (latest) tell(told, latest, everyMs)
}

function withPlace(update: LiveUpdate, place: number | null): LiveUpdate {
  if (update.position.status !== 'pending' || update.view.queue_position === place) return update
  return readUpdate(sealView({ ...update.view, queue_position: place })) as LiveUpdate
}

export function tellNow(told: Told, update = latestOf(told)): void {
  stopTelling(told)
  if (!update) return
  told.toldAt = performance.now()
  for (const [listener, heard] of told.listeners) {
    if (heard === update.json) continue
    told.listeners.set(listener, update.json)
    listener.update(update)
  }
}

export function stopTelling(told: Told): void {
  if (told.timer) clearTimeout(told.timer)
  told.timer = undefined
}
