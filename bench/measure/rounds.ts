/** Contenders take turns, round by round, each round in the opposite order: a machine that slows down slows all. */

/** @param contenders of each, what measures one turn. @returns the values of each, in order */
export async function interleave<Name extends string, Measured>(
  rounds: number,
  contenders: Record<Name, () => Promise<Measured>>,
): Promise<Record<Name, Measured[]>> {
  const names = Object.keys(contenders) as Name[]
  const measured = Object.fromEntries(names.map((name) => [name, []])) as unknown as Record<Name, Measured[]>
  for (let round = 0; round < rounds; round++) {
    for (const name of round % 2 === 0 ? names : names.toReversed())
      measured[name].push(await contenders[name]())
  }
  return measured
}

/** Until all of what runs is compiled, in turns as short as those that are measured: their beginning and their end are code too. */
const WARM_UP_ROUNDS = 8

/** The same for those that are not compiled yet, or have waited for long: the first rounds are not counted. */
export async function interleaveWarm<Name extends string, Measured>(
  rounds: number,
  contenders: Record<Name, () => Promise<Measured>>,
): Promise<Record<Name, Measured[]>> {
  await interleave(WARM_UP_ROUNDS, contenders)
  return interleave(rounds, contenders)
}

/** The next so many of them each time, and from the beginning again: no turn finds what the one before has left in the caches. */
export function inTurn<T>(all: readonly T[], count: number): () => T[] {
  let from = 0
  return () => {
    const some = Array.from({ length: count }, (_, i) => all[(from + i) % all.length] as T)
    from = (from + count) % all.length
    return some
  }
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  return sorted.length % 2 === 1
    ? (sorted[middle] as number)
    : ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2
}

/**
 * How many times theirs ours is: of the ratios within each round the geometric mean, without the lowest and the highest quarter of
 * them (interquartile mean). What else the machine does costs a turn up to a half more, for a tenth of a second or for minutes:
 * turns that follow each other mostly meet the same, and what hits one of two hits the other in another round.
 *
 * @param ours,theirs one value a round
 */
export function ratioByRounds(ours: readonly number[], theirs: readonly number[]): number {
  const ratios = ours.map((value, round) => value / (theirs[round] as number)).toSorted((a, b) => a - b)
  const quarter = Math.floor((ratios.length + 1) / 4)
  const middle = ratios.slice(quarter, ratios.length - quarter)
  return Math.exp(middle.reduce((sum, ratio) => sum + Math.log(ratio), 0) / middle.length)
}
