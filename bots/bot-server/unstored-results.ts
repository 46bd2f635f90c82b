/**
 * Results that Redis did not accept, by request hash: the next call is answered with the result, and the work is not done
 * twice. In memory, for the longest time that a request may run (an hour).
 */
export interface UnstoredResults {
  set(hash: string, result: unknown): void
  /** Returns and removes it. */
  take(hash: string): { result: unknown } | undefined
  stop(): void
}

const LIFE_MS = 3_600_000
const MAX_RESULTS = 1000

export function createUnstoredResults(): UnstoredResults {
  const entries = new Map<string, { result: unknown; timer: NodeJS.Timeout }>()

  function take(hash: string): { result: unknown } | undefined {
    const entry = entries.get(hash)
    clearTimeout(entry?.timer)
    entries.delete(hash)
    return entry
  }

  return {
    set(hash, result) {
      take(hash)
      entries.set(hash, { result, timer: setTimeout(() => take(hash), LIFE_MS).unref() })
      if (entries.size > MAX_RESULTS) take(entries.keys().next().value as string)
    },
    take,
    stop() {
      for (const hash of [...entries.keys()]) take(hash)
    },
  }
}
