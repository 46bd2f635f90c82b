/** Contenders take alternating rounds, so that a machine that slows down slows all of them. */

/**
 * Each round measures every contender once, in the opposite order of the round before.
 *
 * @param warmUp rounds that are run first and not counted
 * @param contenders by name, what measures one round
 * @returns of each contender one value a round, in order
 */
export async function alternate<Name extends string>(
  { warmUp, rounds }: { warmUp: number; rounds: number },
  contenders: Record<Name, () => Promise<number>>,
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

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  const upper = sorted[middle] as number
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] as number) + upper) / 2
}

/** The median of the ratios within each round: not the ratio of the two medians, which may come from different rounds. */
export const medianRatio = (values: readonly number[], others: readonly number[]): number =>
  median(values.map((value, round) => value / (others[round] as number)))
