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

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  return sorted.length % 2 === 1
    ? (sorted[middle] as number)
    : ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2
}

/**
 * The value that a tenth of the turns reach: what the code can do. Other machines on the same host, which share caches and memory,
 * only ever make a turn worse, for seconds and by up to a half, the more the more memory it touches; a median would tell of them.
 */
export function bestTenth(values: readonly number[], better: 'more' | 'less'): number {
  const best = values.toSorted((a, b) => (better === 'more' ? b - a : a - b))
  return best[Math.floor((best.length - 1) / 10)] as number
}
