/** Decides what the page shows about its connection. A loss is shown only once it has lasted. */
import type { Connection } from '../reducer.ts'

export interface ConnectionStatus {
  /**
   * A transport is up.
   *
   * @returns whether a loss was shown before
   */
  up(): boolean
  /** Shows a loss after `ms`, unless a transport is up by then. */
  lostAfter(ms: number): void
  setDegraded(isDegraded: boolean): void
  /** Drops a loss that is not shown yet. */
  cancelLoss(): void
  /** Shows nothing any more. */
  stop(): void
}

/** @param mode how the page is kept up to date now; null when it is not */
export function createConnectionStatus(
  mode: () => 'live' | 'polling' | null,
  onConnection: (connection: Connection) => void,
): ConnectionStatus {
  let lossTimer: ReturnType<typeof setTimeout> | undefined
  let isLost = false
  let isDegraded = false
  let isStopped = false

  function show(): void {
    const current = mode()
    if (!current && !isLost) return
    if (isDegraded) onConnection('degraded')
    else onConnection(current ?? (navigator.onLine ? 'reconnecting' : 'offline'))
  }

  function cancelLoss(): void {
    clearTimeout(lossTimer)
    lossTimer = undefined
  }

  return {
    cancelLoss,
    up() {
      cancelLoss()
      const wasLost = isLost
      isLost = false
      show()
      return wasLost
    },
    lostAfter(ms) {
      if (mode()) return
      lossTimer ??= setTimeout(() => {
        isLost = true
        show()
      }, ms)
    },
    setDegraded(is) {
      if (isStopped || isDegraded === is) return
      isDegraded = is
      show()
    },
    stop() {
      isStopped = true
      cancelLoss()
    },
  }
}
