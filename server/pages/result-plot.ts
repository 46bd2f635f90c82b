/** A column of numbers as a line, in the coordinates of an SVG. Its facts say in words what the line shows. */
import type { Texts } from '../../core/i18n/index.ts'
import type { Plot, Point, ResultNode } from './result-node.ts'

export interface PlotAxes {
  /** Indexes of columns. */
  x: number
  y: number
  label: string
}

interface Value extends Point {
  row: ResultNode[]
}

const WIDTH = 600
const HEIGHT = 160
/** Room for the width of the line. */
const MARGIN = 8

/** @returns null with fewer than two numbers, which make no line */
export function plotOf(rows: readonly ResultNode[][], axes: PlotAxes, t: Texts['t']): Plot | null {
  const values = inOrder(valuesOf(rows, axes))
  if (values.length < 2) return null
  const xs = values.map(({ x }) => x)
  const ys = values.map(({ y }) => y)
  const [lowest, highest] = [Math.min(...ys), Math.max(...ys)]
  const toX = scaleOf(xs[0]!, xs.at(-1)!, MARGIN, WIDTH - MARGIN)
  const toY = scaleOf(lowest, highest, HEIGHT - MARGIN, MARGIN)
  const place = ({ x, y }: Point): Point => ({ x: toX(x), y: toY(y) })
  const extremes = [lowest, highest].map((extreme) => values.find(({ y }) => y === extreme)!)
  const [first, last] = [values[0]!, values.at(-1)!]
  // Said by the first or the last one.
  const isAtEnd = ({ y }: Value): boolean => y === first.y || y === last.y
  const factOf = (label: string, { row }: Value) => ({
    label,
    value: row[axes.y]!,
    at: row[axes.x]!,
  })
  return {
    label: axes.label,
    points: values.map((value) => `${place(value).x},${place(value).y}`).join(' '),
    zero: lowest < 0 && highest > 0 ? toY(0) : null,
    marks: [...extremes, last].map(place),
    width: WIDTH,
    height: HEIGHT,
    facts: [
      factOf(t('result.plot.first'), first),
      ...(isAtEnd(extremes[0]!) ? [] : [factOf(t('result.plot.lowest'), extremes[0]!)]),
      ...(isAtEnd(extremes[1]!) ? [] : [factOf(t('result.plot.highest'), extremes[1]!)]),
      factOf(t('result.plot.last'), last),
    ],
  }
}

/** Dates and numbers have a place on the axis; rows with other values follow one another at equal distances. */
function valuesOf(rows: readonly ResultNode[][], axes: PlotAxes): Value[] {
  const numbered = rows.flatMap((row) => {
    const y = numberOf(row[axes.y])
    return y === null ? [] : [{ x: positionOf(row[axes.x]), y, row }]
  })
  const isPlaced = numbered.every(({ x }) => x !== null)
  return numbered.map((value, i) => ({ ...value, x: isPlaced ? value.x! : i }))
}

const numberOf = (node: ResultNode | undefined): number | null =>
  node?.kind === 'number' || node?.kind === 'text' ? (node.number ?? null) : null

const positionOf = (node: ResultNode | undefined): number | null =>
  node?.kind === 'date' ? Date.parse(node.iso) : numberOf(node)

/** The lowest place first. Rows that stand the other way round are turned round as a whole, with those of the same place. */
function inOrder(values: Value[]): Value[] {
  const isDescending = values.length > 0 && values[0]!.x > values.at(-1)!.x
  return (isDescending ? values.toReversed() : values).toSorted((a, b) => a.x - b.x)
}

/** Maps numbers to coordinates, rounded. */
const scaleOf =
  (from: number, to: number, start: number, end: number) =>
  (value: number): number =>
    Math.round(
      (from === to ? (start + end) / 2 : start + ((value - from) / (to - from)) * (end - start)) * 10,
    ) / 10
