/** Limits of one address that this process counts in its memory: open connections, and reads in a minute. 0 is no limit. */

const WINDOW_MS = 60_000
/** Until others may have closed. */
export const RETRY_OPEN_SECONDS = 30

/** Counts one as open. @returns what counts it as closed, once; null when the address has as many as it may */
export type TakeOpen = (network: string) => (() => void) | null

export function limitOpen(limit: number): TakeOpen {
  const open = new Map<string, number>()
  return (network) => {
    const count = open.get(network) ?? 0
    if (limit > 0 && count >= limit) return null
    open.set(network, count + 1)
    let isOpen = true
    return () => {
      if (!isOpen) return
      isOpen = false
      const left = (open.get(network) ?? 1) - 1
      if (left > 0) open.set(network, left)
      else open.delete(network)
    }
  }
}

/** Counts one call. @returns 0 when it is within the limit, else the seconds until calls are allowed again */
export type TakeCall = (network: string) => number

/** In fixed windows, the same for all addresses: one clock and one number for each call. */
export function limitPerWindow(limit: number): TakeCall {
  const counts = new Map<string, number>()
  let endsAt = 0
  return (network) => {
    const now = performance.now()
    if (now >= endsAt) {
      counts.clear()
      endsAt = now + WINDOW_MS
    }
    const count = (counts.get(network) ?? 0) + 1
    counts.set(network, count)
    return count <= limit ? 0 : Math.ceil((endsAt - now) / 1000)
  }
}
