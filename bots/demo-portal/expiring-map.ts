/** What is kept for a while only: bounded in number, gone when its time is over, longest untouched first. */

export interface ExpiringMap<V> {
  /** Undefined once its time is over. */
  get(key: string): V | undefined
  /** Begins the entry's time anew; the entry untouched for longest makes room when there are too many. */
  set(key: string, value: V): void
  delete(key: string): void
  readonly size: number
}

/** @param now milliseconds */
export function createExpiringMap<V>({
  lifeMs,
  maxEntries,
  now,
}: {
  lifeMs: number
  maxEntries: number
  now: () => number
}): ExpiringMap<V> {
  // Setting moves an entry to the end, so the order of the map is the order in which entries end.
  const entries = new Map<string, { value: V; endsAt: number }>()

  function sweep(): void {
    for (const [key, { endsAt }] of entries) {
      if (endsAt > now() && entries.size <= maxEntries) return
      entries.delete(key)
    }
  }

  return {
    get(key) {
      sweep()
      return entries.get(key)?.value
    },
    set(key, value) {
      entries.delete(key)
      entries.set(key, { value, endsAt: now() + lifeMs })
      sweep()
    },
    delete(key) {
      entries.delete(key)
    },
    get size() {
      sweep()
      return entries.size
    },
  }
}
