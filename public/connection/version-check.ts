/** Polls the status beside a socket or a stream: what these should have delivered by then, and whether the server is well. */

import { createPoll, POLL_MS } from './poll-transport.ts'
import { startRequestLoop } from './request-loop.ts'
import type { TransportEvents, WatchTarget } from './transport.ts'

/** Nobody looks at a hidden page: when its socket lags, its title may be this late. */
const HIDDEN_POLL_MS = 30_000

export interface VersionCheck {
  /** Polls at once, whether or not it is time. */
  pollNow(): void
  stop(): void
}

/**
 * @param isDue whether to poll when it is time
 * @param onVersion gets the version that each poll has found
 */
export function startVersionCheck(
  request: WatchTarget,
  {
    isDue,
    isHidden,
    onVersion,
    onUnanswered,
    ...ears
  }: Pick<TransportEvents, 'view' | 'degraded' | 'end'> & {
    isDue(): boolean
    isHidden(): boolean
    onVersion(version: number): void
    /** A poll brought nothing: the server, or the way to it, may be dead. */
    onUnanswered(): void
  },
): VersionCheck {
  const poll = createPoll(request, ears)
  let isWanted = false
  const running = startRequestLoop(
    {
      down({ code, isUnanswered } = {}) {
        if (code === 'storage_unavailable') ears.degraded(true)
        if (isUnanswered) onUnanswered()
      },
      end: ears.end,
    },
    async (attempt) => {
      if (isWanted || isDue()) onVersion(await poll(attempt))
      isWanted = false
      return isHidden() ? HIDDEN_POLL_MS : POLL_MS
    },
    { firstAfterMs: POLL_MS, longestAgainMs: POLL_MS / 2 },
  )
  return {
    pollNow() {
      isWanted = true
      running.check()
    },
    stop: running.stop,
  }
}
