/** What a section of the benchmark has found, as a table for people and as JSON for machines. */
import { median, ratioByRounds } from './rounds.ts'

/** What a value should be: as a multiple of the one beside it, or by itself. */
export interface Target {
  /** The name of a contender beside ours; left out, the value itself is meant. */
  beside?: string
  atLeast?: number
  atMost?: number
}

/** One value a round, of all contenders in the same order. */
export interface Row {
  what: string
  unit: string
  ours: number[]
  beside?: Record<string, number[]>
  /** Side by side only, where a ratio would say more of the machine than of them: that of 99th percentiles does. */
  withoutRatios?: true
  targets?: Target[]
}

export interface Section {
  name: string
  title: string
  rows: Row[]
}

const number = new Intl.NumberFormat('en', { maximumSignificantDigits: 3 })
const format = (value: number): string =>
  Math.abs(value) >= 1000 ? new Intl.NumberFormat('en').format(Math.round(value)) : number.format(value)

const ratioText = (row: Row, theirs: number[]): string =>
  row.withoutRatios ? '' : ` (${ratioByRounds(row.ours, theirs).toFixed(2)}×)`
const actual = (row: Row, { beside }: Target): number =>
  beside === undefined ? median(row.ours) : ratioByRounds(row.ours, row.beside?.[beside] ?? [])

/** A target is given with two digits, and so it is compared. */
export function isMet(row: Row, target: Target): boolean {
  const value = Math.round(actual(row, target) * 100) / 100
  return value >= (target.atLeast ?? -Infinity) && value <= (target.atMost ?? Infinity)
}

function describe(row: Row, target: Target): string {
  const limit = target.atLeast !== undefined ? `≥ ${target.atLeast}` : `≤ ${target.atMost}`
  const whose = target.beside === undefined ? row.unit : `× ${target.beside}`
  return `${isMet(row, target) ? '✓' : '✗'} ${limit} ${whose}`
}

/** One line a row: ours, what was beside it with ours as its multiple, the targets. */
export function asText(sections: readonly Section[]): string {
  const lines = sections.flatMap(({ title, rows }) => [
    '',
    title,
    ...rows.map((row) => {
      const beside = Object.entries(row.beside ?? {}).map(
        ([name, values]) => `${name} ${format(median(values))}${ratioText(row, values)}`,
      )
      const targets = (row.targets ?? []).map((target) => describe(row, target))
      const cells = [row.what.padEnd(46), `${format(median(row.ours))} ${row.unit}`.padEnd(18)]
      return `  ${[...cells, beside.join(' · ').padEnd(62), targets.join('  ')].join(' ')}`.trimEnd()
    }),
  ])
  return `${lines.join('\n').trimStart()}\n`
}

export const asJson = (sections: readonly Section[]): unknown =>
  sections.map(({ name, rows }) => ({
    section: name,
    rows: rows.map((row) => ({
      ...row,
      value: median(row.ours),
      ratios: row.withoutRatios
        ? {}
        : Object.fromEntries(
            Object.entries(row.beside ?? {}).map(([beside, values]) => [
              beside,
              ratioByRounds(row.ours, values),
            ]),
          ),
      targets: (row.targets ?? []).map((target) => ({
        ...target,
        actual: actual(row, target),
        met: isMet(row, target),
      })),
    })),
  }))
