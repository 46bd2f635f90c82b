/** A bounded map whose entries expire. */

export interface ExpiringMap<V> {
  /** Undefined once it has expired. */
  get(key: string): V | undefined
  /** Restarts the entry's lifetime. Above `maxEntries` the entry that was set longest ago is evicted. */
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
  // Setting moves an entry to the end, so entries are in the order in which they expire.
  const entries = new Map<string, { value: V; expiresAt: number }>()

  function sweep(): void {
    for (const [key, { expiresAt }] of entries) {
      if (expiresAt > now() && entries.size <= maxEntries) return
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
      entries.set(key, { value, expiresAt: now() + lifeMs })
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
