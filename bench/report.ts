/** Results of the benchmark as text and as JSON. */
import { alternate, median, medianRatio } from './rounds.ts'

export interface Row {
  what: string
  unit: string
  /** One value a round. */
  halfway: number[]
  /** The name of the contender that Halfway is compared with. */
  beside: string
  /** Its values, in the same rounds. */
  other: number[]
  /** A bound of the ratio. */
  target?: { min: number } | { max: number }
}

type Measure = () => Promise<number>

/** Measures both in alternating rounds. */
export const compare = async (
  row: Omit<Row, 'halfway' | 'other'>,
  rounds: { warmUp: number; rounds: number },
  contenders: { halfway: Measure; other: Measure },
): Promise<Row> => ({ ...row, ...(await alternate(rounds, contenders)) })

/** With two decimals, as targets are given. */
const ratioOf = ({ halfway, other }: Row): number => Math.round(medianRatio(halfway, other) * 100) / 100

/** Null without a target. */
export function isTargetMet(row: Row): boolean | null {
  if (!row.target) return null
  return 'min' in row.target ? ratioOf(row) >= row.target.min : ratioOf(row) <= row.target.max
}

function formatTarget(row: Row): string {
  if (!row.target) return ''
  const bound = 'min' in row.target ? `≥ ${row.target.min}` : `≤ ${row.target.max}`
  return `${isTargetMet(row) ? '✓' : '✗'} ${bound} ×`
}

const threeDigits = new Intl.NumberFormat('en', { maximumSignificantDigits: 3 })
const formatNumber = (value: number): string =>
  value >= 1000 ? Math.round(value).toLocaleString('en') : threeDigits.format(value)

/** One line a row: Halfway's median, the other contender's, the median of the ratios, the target. */
export const formatText = (rows: readonly Row[]): string =>
  rows
    .map((row) => {
      const halfway = `${formatNumber(median(row.halfway))} ${row.unit}`
      const other = `${row.beside} ${formatNumber(median(row.other))}`
      const ratio = `${ratioOf(row).toFixed(2)} ×`
      const cells = [row.what.padEnd(42), halfway.padEnd(10), other.padEnd(32), ratio, formatTarget(row)]
      return `  ${cells.join('  ').trimEnd()}\n`
    })
    .join('')

export const formatJson = (sections: readonly { section: string; rows: readonly Row[] }[]): unknown =>
  sections.map(({ section, rows }) => ({
    section,
    rows: rows.map((row) => ({ ...row, ratio: ratioOf(row), met: isTargetMet(row) })),
  }))
