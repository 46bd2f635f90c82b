/** Spares the checked servers: one run for a site at a time, and few requests a second to a host. For all runs of a bot. */

export interface SitePace {
  /** Whether a run for this host goes on. */
  isBusy(host: string): boolean
  /**
   * Resolves when no other run for this host goes on; the first to ask comes first.
   *
   * @returns ends this run. @throws the signal's reason
   */
  startRun(host: string, signal: AbortSignal): Promise<() => void>
  /** Resolves when the next request may be sent to this host. @throws the signal's reason */
  request(host: string, signal: AbortSignal): Promise<void>
}

export function createSitePace({ requestsPerSecond }: { requestsPerSecond: number }): SitePace {
  const intervalMs = 1000 / requestsPerSecond
  /** The newest run of each host. */
  const runs = new Map<string, Promise<void>>()
  const nextAt = new Map<string, number>()

  return {
    isBusy: (host) => runs.has(host),
    async startRun(host, signal) {
      const before = runs.get(host) ?? Promise.resolve()
      let end!: () => void
      const ended = new Promise<void>((resolve) => {
        end = resolve
      })
      const own = before.then(() => ended)
      runs.set(host, own)
      void own.then(() => runs.get(host) === own && runs.delete(host))
      try {
        await orAborted(signal, before)
      } catch (error) {
        end()
        throw error
      }
      return end
    },
    async request(host, signal) {
      const now = performance.now()
      const at = Math.max(now, nextAt.get(host) ?? 0)
      // Hosts that may be called again need no entry.
      if (!nextAt.has(host)) for (const [other, free] of nextAt) if (free <= now) nextAt.delete(other)
      nextAt.set(host, at + intervalMs)
      if (at === now) return
      let timer: NodeJS.Timeout | undefined
      const wait = new Promise<void>((resolve) => {
        timer = setTimeout(resolve, at - now)
      })
      await orAborted(signal, wait).finally(() => clearTimeout(timer))
    },
  }
}

/** Settles with `work`, or rejects with the signal's reason as soon as it fires. */
export function orAborted<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason)
    if (signal.aborted) abort()
    signal.addEventListener('abort', abort, { once: true })
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort))
  })
}
