/** Polls the status beside a socket or stream, to detect one that lags and a server that no longer answers. */

import { createPoll, POLL_MS } from './poll-transport.ts'
import { startRequestLoop } from './request-loop.ts'
import type { TransportEvents, WatchTarget } from './transport.ts'

/** Beside a transport that has shown that it delivers, every third poll is enough. */
const TICKS_IF_PROVEN = 3
/** In a hidden page only the title is seen: with a lagging socket it may be this late. */
const HIDDEN_POLL_MS = 30_000

export interface VersionCheck {
  /** Polls immediately, due or not. */
  pollNow(): void
  stop(): void
}

/**
 * @param isDue whether to poll when the interval is over
 * @param onVersion called with the version that each poll found
 */
export function startVersionCheck(
  target: WatchTarget,
  {
    isDue,
    isProven,
    isHidden,
    onVersion,
    onUnanswered,
    ...events
  }: Pick<TransportEvents, 'view' | 'degraded' | 'end'> & {
    isDue(): boolean
    /** Whether the transport has shown that it delivers. */
    isProven(): boolean
    isHidden(): boolean
    onVersion(version: number): void
    /** A poll got no answer: the server, or the network to it, may be down. */
    onUnanswered(): void
  },
): VersionCheck {
  const poll = createPoll(target, events)
  let isForced = false
  let ticks = 0
  const loop = startRequestLoop(
    {
      down({ code, isUnanswered } = {}) {
        if (code === 'storage_unavailable') events.degraded(true)
        if (isUnanswered) onUnanswered()
      },
      end: events.end,
    },
    async (attempt) => {
      ticks++
      const wantedTicks = isProven() && !isHidden() ? TICKS_IF_PROVEN : 1
      if (isForced || (isDue() && ticks >= wantedTicks)) {
        onVersion(await poll(attempt))
        ticks = 0
      }
      isForced = false
      return isHidden() ? HIDDEN_POLL_MS : POLL_MS
    },
    { firstAfterMs: POLL_MS, maxRetryMs: POLL_MS / 2 },
  )
  return {
    pollNow() {
      isForced = true
      loop.check()
    },
    stop: loop.stop,
  }
}
