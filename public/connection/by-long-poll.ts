/** Hearing by long polls: each is answered as soon as there is something newer. */
import { get, JSON_HEADERS, keepAsking, readView } from './asking.ts'
import type { Way } from './way.ts'

const WAIT_SECONDS = 25
/** The first one comes back soon, so that it is soon known whether they come back at all. */
const FIRST_WAIT_SECONDS = 2
/** What the way there and back may take. */
const TRAVEL_MS = 3000
/** News that come at once do not tell whether it would wait for them; where they come so often, it need not. */
const PROVEN = 3
/** Nobody reads faster. */
const BETWEEN_NEWS_MS = 200

export const byLongPoll: Way = (request, ears) => {
  let trust = 0
  return keepAsking(ears, async ({ signal, giveUpAfter }) => {
    const before = trust
    trust = 0
    const waitMs = (before === PROVEN ? WAIT_SECONDS : FIRST_WAIT_SECONDS) * 1000
    giveUpAfter(waitMs + TRAVEL_MS)
    const askedAt = performance.now()
    const after = request.version()
    const address = `${request.statusUrl}?after=${after}&wait=${waitMs / 1000}`
    const answer = await get(request, address, JSON_HEADERS, signal)
    const view = answer.status === 304 ? null : await readView(answer, request)
    const isNews = view !== null && view.version > after
    const hasWaited = performance.now() - askedAt > waitMs * 0.9
    if (!isNews && !hasWaited) throw new Error('it came back at once')
    trust = hasWaited ? PROVEN : Math.min(PROVEN, before + 1)
    if (trust === PROVEN) ears.up()
    if (isNews) ears.view(view)
    return isNews ? BETWEEN_NEWS_MS : 0
  })
}
