/** A number of a scale as a half circle, in the coordinates of an SVG. It only decorates: the text says all of it. */
import type { ResultField } from '../../core/catalog/result-definition.ts'
import { rangeOf } from '../../core/catalog/result-values.ts'
import { textIn } from '../../core/catalog/text.ts'
import { formatNumber, formatScale } from './result-formats.ts'
import type { ResultContext } from './result-node.ts'

export interface Gauge {
  /** One arc for each range of the scale, and one for its part up to the number. */
  track: string[]
  fill: string[]
  /** Where the number is. */
  mark: { x: number; y: number }
  /** The number, what it is out of, and its unit. */
  value: string
  scale: string
  unit: string | null
  /** The bounds of the range that the value is in; null without ranges. */
  band: { from: string; to: string } | null
}

const CENTRE = 100
const RADIUS = 86
/** Between two ranges, as a share of the scale. */
const GAP = 0.008

/** @returns null for a number that has no place on a scale */
export function gaugeOf(value: unknown, field: ResultField, context: ResultContext): Gauge | null {
  const { scale, unit, ranges = [] } = field
  if (field.type !== 'number' || scale === undefined || typeof value !== 'number') return null
  const share = shareOf(value, scale)
  const inner = ranges.map(({ from }) => from / scale).filter((from) => from > 0 && from < 1)
  const starts = [0, ...inner]
  const segments = starts.map((from, i) => [
    i === 0 ? from : from + GAP / 2,
    i === inner.length ? 1 : starts[i + 1]! - GAP / 2,
  ]) as [number, number][]
  return {
    track: segments.map(([from, to]) => arc(from, to)),
    fill: segments.filter(([from]) => from < share).map(([from, to]) => arc(from, Math.min(to, share))),
    mark: pointAt(share),
    value: formatNumber(value, { ...field, scale: undefined, unit: undefined }, context),
    scale: formatScale(scale, context.locale),
    unit: unit === undefined ? null : textIn(unit, context.locale),
    band: bandOf(value, field, context),
  }
}

function bandOf(value: number, field: ResultField, { locale }: ResultContext): Gauge['band'] {
  const range = rangeOf(value, field)
  if (!range || value > (field.scale ?? 0)) return null
  const end = field.ranges?.find(({ from }) => from > range.from)?.from ?? field.scale
  return end === undefined ? null : { from: formatScale(range.from, locale), to: formatScale(end, locale) }
}

const shareOf = (value: number, scale: number): number => Math.min(Math.max(value / scale, 0), 1)

/** 0 is on the left, 1 on the right; stylesheets mirror it. */
function pointAt(share: number): { x: number; y: number } {
  const angle = Math.PI * (1 - share)
  return { x: rounded(CENTRE + RADIUS * Math.cos(angle)), y: rounded(CENTRE - RADIUS * Math.sin(angle)) }
}

function arc(from: number, to: number): string {
  const [start, end] = [pointAt(from), pointAt(to)]
  return `M${start.x} ${start.y}A${RADIUS} ${RADIUS} 0 0 1 ${end.x} ${end.y}`
}

const rounded = (coordinate: number): number => Math.round(coordinate * 100) / 100
