/** Measures contenders in alternating rounds, and prints how they compare. */

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

interface Rounds {
  /** Run first and not counted. */
  warmUp: number
  rounds: number
}
type Measure = () => Promise<number>

/**
 * Each round measures every contender once, in the opposite order of the round before: a machine that slows down slows all.
 *
 * @param contenders by name, what measures one round
 * @returns of each contender one value a round, in order
 */
export async function alternate<Name extends string>(
  { warmUp, rounds }: Rounds,
  contenders: Record<Name, Measure>,
): Promise<Record<Name, number[]>> {
  const names = Object.keys(contenders) as Name[]
  const values = Object.fromEntries(names.map((name) => [name, []])) as unknown as Record<Name, number[]>
  for (let round = -warmUp; round < rounds; round++) {
    for (const name of round % 2 === 0 ? names : names.toReversed()) {
      const value = await contenders[name]()
      if (round >= 0) values[name].push(value)
    }
  }
  return values
}

/** Measures Halfway and another contender in alternating rounds. */
export const compare = async (
  row: Omit<Row, 'halfway' | 'other'>,
  rounds: Rounds,
  contenders: { halfway: Measure; other: Measure },
): Promise<Row> => ({ ...row, ...(await alternate(rounds, contenders)) })

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  const upper = sorted[middle] as number
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] as number) + upper) / 2
}

/** The median of the ratios within each round: not the ratio of the two medians, which may come from different rounds. */
const ratioOf = ({ halfway, other }: Row): number => {
  const ratio = median(halfway.map((value, round) => value / (other[round] as number)))
  // With two decimals, as targets are given.
  return Math.round(ratio * 100) / 100
}

function formatTarget(row: Row): string {
  if (!row.target) return ''
  const [isMet, bound] =
    'min' in row.target
      ? [ratioOf(row) >= row.target.min, `≥ ${row.target.min}`]
      : [ratioOf(row) <= row.target.max, `≤ ${row.target.max}`]
  return `${isMet ? '✓' : '✗'} ${bound} ×`
}

const threeDigits = new Intl.NumberFormat('en', { maximumSignificantDigits: 3 })
const formatNumber = (value: number): string =>
  value >= 1000 ? Math.round(value).toLocaleString('en') : threeDigits.format(value)

/** One line: Halfway's median, the other contender's, the median of the ratios, the target. */
export function formatRow(row: Row): string {
  const halfway = `${formatNumber(median(row.halfway))} ${row.unit}`
  const other = `${row.beside} ${formatNumber(median(row.other))}`
  const ratio = `${ratioOf(row).toFixed(2)} ×`
  const cells = [row.what.padEnd(46), halfway.padEnd(14), other.padEnd(28), ratio, formatTarget(row)]
  return `  ${cells.join('  ').trimEnd()}\n`
}
