/**
 * Results that Redis did not accept, by request hash: a repeated call is answered with what its request has come to, and
 * the work is not done again. In memory, for as long as a request may be worked on.
 */
export interface UnstoredResults {
  keep(hash: string, result: unknown): void
  /** Hands it out, once. */
  take(hash: string): { result: unknown } | undefined
  stop(): void
}

const LIFE_MS = 300_000
const MAX_RESULTS = 1000

export function createUnstoredResults(): UnstoredResults {
  const entries = new Map<string, { result: unknown; over: NodeJS.Timeout }>()

  function take(hash: string): { result: unknown } | undefined {
    const entry = entries.get(hash)
    clearTimeout(entry?.over)
    entries.delete(hash)
    return entry
  }

  return {
    keep(hash, result) {
      take(hash)
      entries.set(hash, { result, over: setTimeout(() => take(hash), LIFE_MS).unref() })
      if (entries.size > MAX_RESULTS) take(entries.keys().next().value as string)
    },
    take,
    stop() {
      for (const hash of [...entries.keys()]) take(hash)
    },
  }
}
