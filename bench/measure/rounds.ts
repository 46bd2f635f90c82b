/**
 * Contenders take turns, round by round, each round in the opposite order: a machine that slows down slows all. Each may have
 * several processes, since one is luckier than another in how its code comes to be compiled: bare Node by a quarter.
 */

/** @param contenders of each, for every process of it, what measures one turn. @returns the values of each, in order */
export async function interleave<Name extends string, Measured>(
  rounds: number,
  contenders: Record<Name, (() => Promise<Measured>)[]>,
): Promise<Record<Name, Measured[]>> {
  const names = Object.keys(contenders) as Name[]
  const measured = Object.fromEntries(names.map((name) => [name, []])) as unknown as Record<Name, Measured[]>
  const processes = Math.max(...names.map((name) => contenders[name].length))
  // Those that are compared stand side by side.
  const turns = several(processes, (i) => names.map((name) => [name, contenders[name][i]] as const)).flat()
  for (let round = 0; round < rounds; round++) {
    for (const [name, measure] of round % 2 === 0 ? turns : turns.toReversed())
      if (measure) measured[name].push(await measure())
  }
  return measured
}

export const several = <T>(count: number, make: (i: number) => T): T[] =>
  Array.from({ length: count }, (_, i) => make(i))

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  return sorted.length % 2 === 1
    ? (sorted[middle] as number)
    : ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2
}

/**
 * The value that a quarter of the turns reach: what the code can do. Other machines on the same host and unlucky compilations
 * only ever make it worse, by up to half, and not for all contenders alike; a median would tell of them.
 */
export function betterQuartile(values: readonly number[], better: 'more' | 'less'): number {
  const best = values.toSorted((a, b) => (better === 'more' ? b - a : a - b))
  return best[Math.floor((best.length - 1) / 4)] as number
}
