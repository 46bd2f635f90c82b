/** Where a request stands that has not started. It is not in the record: it changes without a write to it. */
import type { Range } from './arrival.ts'
import type { IsoTime } from './iso-time.ts'

/** Set by an operator: no request of the queue starts. */
export interface QueueHold {
  /** The operator's words; null for the standard ones. */
  message: string | null
  since: IsoTime
}

export interface Waiting {
  /** 1 is next; null before it is due. */
  position: number | null
  hold: QueueHold | null
  /** Seconds until the earliest and the latest expected end; null with too few runs. */
  range: Range | null
}

/** What the requests of a service take. */
export interface QueuePace {
  /** The whole work; null with too few runs. */
  total: Range | null
  /** Seconds for which each request before one delays it; null when unknown. */
  queueSeconds: number | null
}

/** Its start time or its place in the queue, and the work. */
export function expectedRange(
  { run_at }: { run_at: IsoTime | null },
  position: number | null,
  { total, queueSeconds }: QueuePace,
  now: number,
): Range | null {
  if (!total || (position !== null && position > 1 && queueSeconds === null)) return null
  const untilStart = run_at === null ? 0 : Math.max(0, (Date.parse(run_at) - now) / 1000)
  // Even the next request may have to wait for a whole run: that of a request that has just started.
  const [ahead, atMost] = position === null ? [0, 0] : [position - 1, position]
  const waitOf = (requests: number): number => untilStart + requests * (queueSeconds ?? total[1])
  return [Math.floor(waitOf(ahead) + total[0]), Math.ceil(waitOf(atMost) + total[1])]
}

/** The view of a request that has not started. */
export const withWaiting = <View extends object>(view: View, { position, hold, range }: Waiting): View => ({
  ...view,
  queue_position: position,
  queue_hold: hold,
  estimated_remaining_range: range,
  ...(range && { estimated_remaining_time: range[1] }),
})
