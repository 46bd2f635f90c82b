/** Hearing by asking how the request stands, every five seconds. */
import { type Attempt, get, JSON_HEADERS, readView, startRequestLoop } from './request-loop.ts'
import type { Transport, TransportEvents, WatchTarget } from './transport.ts'

export const POLL_MS = 5000

export const byPoll: Transport = (request, ears) => {
  const poll = createPoll(request, ears)
  return startRequestLoop(
    ears,
    async (attempt) => {
      await poll(attempt)
      ears.up()
      return POLL_MS
    },
    { longestAgainMs: POLL_MS / 2 },
  )
}

/**
 * Asks once, and remembers what it was answered: the same again is not sent twice.
 *
 * @returns what asks; it resolves with the version as the server has it
 */
export function createPoll(
  request: WatchTarget,
  ears: Pick<TransportEvents, 'view' | 'degraded'>,
): (attempt: Attempt) => Promise<number> {
  let etag = ''
  let version = 0
  return async ({ signal, setTimeoutMs }) => {
    setTimeoutMs(POLL_MS)
    const known: Record<string, string> = etag === '' ? {} : { 'If-None-Match': etag }
    const answer = await get(request, request.statusUrl, { ...JSON_HEADERS, ...known }, signal)
    ears.degraded(false)
    if (answer.status === 304) return version
    const view = await readView(answer, request)
    etag = answer.headers.get('ETag') ?? ''
    version = view.version
    ears.view(view)
    return version
  }
}
