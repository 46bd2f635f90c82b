/** The same over and over, so many at once: the next ones once all of these are done. */

export interface Batches {
  atOnce: number
  /** Until so many are done, or so long. */
  count?: number
  seconds?: number
}
export interface BatchesDone {
  count: number
  perSecond: number
}

export async function inBatches(
  { atOnce, count: atMost = Number.POSITIVE_INFINITY, seconds = Number.POSITIVE_INFINITY }: Batches,
  one: () => Promise<unknown>,
): Promise<BatchesDone> {
  const began = performance.now()
  const end = began + seconds * 1000
  let count = 0
  while (count < atMost && performance.now() < end) {
    const some = Math.min(atOnce, atMost - count)
    await Promise.all(Array.from({ length: some }, one))
    count += some
  }
  return { count, perSecond: (count / (performance.now() - began)) * 1000 }
}
