/** Hearing by asking how the request stands, every five seconds. */
import { type Attempt, get, JSON_HEADERS, keepAsking, readView } from './asking.ts'
import type { Ears, Watched, Way } from './way.ts'

export const POLL_MS = 5000

export const byPoll: Way = (request, ears) => {
  const poll = createPoll(request, ears)
  return keepAsking(
    ears,
    async (attempt) => {
      await poll(attempt)
      ears.up()
      return POLL_MS
    },
    { longestAgainMs: POLL_MS },
  )
}

/** Asks once, and remembers what it was answered: the same again is not sent twice. */
export function createPoll(request: Watched, ears: Pick<Ears, 'view'>): (attempt: Attempt) => Promise<void> {
  let etag = ''
  return async ({ signal, giveUpAfter }) => {
    giveUpAfter(POLL_MS)
    const known: Record<string, string> = etag === '' ? {} : { 'If-None-Match': etag }
    const answer = await get(request, request.statusUrl, { ...JSON_HEADERS, ...known }, signal)
    if (answer.status === 304) return
    const view = await readView(answer, request)
    etag = answer.headers.get('ETag') ?? ''
    ears.view(view)
  }
}
