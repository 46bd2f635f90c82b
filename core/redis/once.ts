/** Detects the first occurrence of a key, for messages that are logged once per request. Stores the last 1,000 keys. */
const MAX_KEYS = 1000

/** @returns whether a key is seen for the first time */
export function createOnce(): (key: string) => boolean {
  const seen = new Set<string>()
  return (key) => {
    if (seen.has(key)) return false
    seen.add(key)
    if (seen.size > MAX_KEYS) seen.delete(seen.values().next().value as string)
    return true
  }
}
