/** Polls the status every five seconds. */
import { type Attempt, get, JSON_HEADERS, readView, startRequestLoop } from './request-loop.ts'
import type { Transport, TransportEvents, WatchTarget } from './transport.ts'

export const POLL_MS = 5000

export const pollTransport: Transport = (target, events) => {
  const poll = createPoll(target, events)
  return startRequestLoop(
    events,
    async (attempt) => {
      await poll(attempt)
      events.up()
      return POLL_MS
    },
    { maxRetryMs: POLL_MS / 2 },
  )
}

/**
 * Sends the ETag of the last response, so that an unchanged status is not transferred again.
 *
 * @returns polls once and resolves with the version that the server has
 */
export function createPoll(
  target: WatchTarget,
  events: Pick<TransportEvents, 'view' | 'degraded'>,
): (attempt: Attempt) => Promise<number> {
  let etag = ''
  let version = 0
  return async ({ signal, setTimeoutMs }) => {
    setTimeoutMs(POLL_MS)
    const condition: Record<string, string> = etag === '' ? {} : { 'If-None-Match': etag }
    const response = await get(target, target.statusUrl, { ...JSON_HEADERS, ...condition }, signal)
    events.degraded(false)
    if (response.status === 304) return version
    const view = await readView(response, target)
    etag = response.headers.get('ETag') ?? ''
    version = view.version
    events.view(view)
    return version
  }
}
