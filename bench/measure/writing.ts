/** Writers side by side, each with a request of its own, one write after the other. */
import { createHistogram } from 'node:perf_hooks'

export interface Writing {
  hashes: string[]
  /** As many as there are hashes at most. */
  writers: number
  seconds: number
}
export interface Written {
  writes: number
  perSecond: number
  p50Ms: number
  p99Ms: number
}

/** @param write resolves once Redis has it; `count` differs in every write of this writer */
export async function writeAlong(
  { hashes, writers, seconds }: Writing,
  write: (hash: string, count: number) => Promise<unknown>,
): Promise<Written> {
  const histogram = createHistogram()
  const began = performance.now()
  const end = began + seconds * 1000
  await Promise.all(
    hashes.slice(0, writers).map(async (hash) => {
      for (let count = 1; performance.now() < end; count++) {
        const sent = performance.now()
        await write(hash, count)
        histogram.record(Math.max(1, Math.round((performance.now() - sent) * 1000)))
      }
    }),
  )
  return {
    writes: histogram.count,
    perSecond: (histogram.count / (performance.now() - began)) * 1000,
    p50Ms: histogram.percentile(50) / 1000,
    p99Ms: histogram.percentile(99) / 1000,
  }
}
