/**
 * The requests that this browser wants pushes about, shared by the pages and the service worker: each an entry of a cache
 * that serves no page. A push says nothing, so the service worker asks the server about each of them.
 */
export interface PushRequest {
  hash: string
  /** Its page, where the server cannot be asked. */
  page: string
  /** The language of the words, and what is shown where the server cannot be asked. */
  lang: string
  fallback: string
  /** The news that was shown last (`newsOf`). */
  news: string
  /** When the server deletes it: ISO 8601. */
  expires_at: string
}

const CACHE = 'halfway-push'
const addressOf = (hash: string): string => `/push/${hash}`

/** The one that was put last comes last. Removes those that have expired. */
export async function pushRequests(): Promise<PushRequest[]> {
  const cache = await caches.open(CACHE)
  const entries = await Promise.all((await cache.keys()).map((key) => cache.match(key)))
  const all: PushRequest[] = await Promise.all(entries.flatMap((entry) => (entry ? [entry.json()] : [])))
  const expired = all.filter(({ expires_at }) => Date.parse(expires_at) < Date.now())
  for (const { hash } of expired) await removePushRequest(hash)
  return all.filter((one) => !expired.includes(one))
}

export async function putPushRequest(one: PushRequest): Promise<void> {
  await (await caches.open(CACHE)).put(addressOf(one.hash), new Response(JSON.stringify(one)))
}

export async function removePushRequest(hash: string): Promise<void> {
  await (await caches.open(CACHE)).delete(addressOf(hash))
}
