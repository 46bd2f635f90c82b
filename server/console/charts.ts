/** Small charts in the coordinates of an SVG. The pages have the numbers in text beside them. */
import type { ServiceDurations } from '../../core/domain/arrival.ts'
import type { EndsOfMinute } from '../../core/store/end-counts.ts'

export interface EndsChart {
  width: number
  height: number
  bars: { kind: 'completed' | 'failed' | 'cancelled'; x: number; y: number; width: number; height: number }[]
}

const BAR = 8
const GAP = 2
const HEIGHT = 80

/** One bar for each minute, its kinds on top of each other. */
export function endsChart(ends: readonly EndsOfMinute[]): EndsChart {
  const most = Math.max(1, ...ends.map(totalOf))
  const bars = ends.flatMap(({ counts }, i) => {
    let y = HEIGHT
    return (['completed', 'failed', 'cancelled'] as const).flatMap((kind) => {
      const height = rounded((counts[kind] / most) * HEIGHT)
      y = rounded(y - height)
      return height > 0 ? [{ kind, x: i * (BAR + GAP), y, width: BAR, height }] : []
    })
  })
  return { width: ends.length * (BAR + GAP) - GAP, height: HEIGHT, bars }
}

export const totalOf = ({ counts }: EndsOfMinute): number =>
  counts.completed + counts.failed + counts.cancelled

export interface RangeChart {
  width: number
  height: number
  /** Where half and 19 of 20 are. */
  half: number
  most: number
}

const RANGE_WIDTH = 120
const RANGE_HEIGHT = 12

/** @param longest the time that has the whole width, seconds */
export function rangeChart({ p50, p95 }: ServiceDurations['total'], longest: number): RangeChart {
  const place = (seconds: number): number => rounded((seconds / Math.max(longest, 0.1)) * RANGE_WIDTH)
  return { width: RANGE_WIDTH, height: RANGE_HEIGHT, half: place(p50), most: place(p95) }
}

const rounded = (coordinate: number): number => Math.round(coordinate * 10) / 10
