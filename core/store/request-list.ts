/** The requests that exist, for operators: newest first, filtered, page by page. */
import { nullIfUnreadable } from '../domain/errors.ts'
import type { RequestRecord, Status } from '../domain/record.ts'
import { creationTimeOf, isRequestHash } from '../domain/request-id.ts'
import { parseShortReference, shortReference } from '../domain/short-reference.ts'
import type { DeadlineIndex } from './deadline-index.ts'
import type { FailedRequests } from './failed-requests.ts'
import type { RequestStore } from './request-store.ts'

export interface RequestFilter {
  status?: Status
  service?: string
  /** The code of a failure. */
  code?: string
  /** Created at least so long ago. */
  olderThanSeconds?: number
  /** A hash or a short reference. */
  reference?: string
}

export interface RequestPage {
  newest: RequestRecord[]
  /** Where the next page begins; null after the last one. Requests that come meanwhile move it. */
  next: number | null
}

export interface RequestList {
  /**
   * The newest of those that match, beginning at this place. It reads a bounded number of records, however many there are:
   * a page may have fewer than `limit` although there is a next one.
   */
  read(filter: RequestFilter, limit: number, from?: number): Promise<RequestPage>
  /**
   * Of the recent, the scheduled and the failed requests, those of a week included: the hashes with these short references, by
   * reference. A hash names itself. Reads all hashes.
   */
  find(names: readonly string[]): Promise<ReadonlyMap<string, string[]>>
  /** Of the same requests those whose short references begin so. */
  findByBeginning(beginning: string): Promise<string[]>
}

/** Hashes that are read together, and the most hashes and records that are read for one page. */
const SLICE = 500
const MAX_HASHES = 10_000
const MAX_RECORDS = 2_000

interface Deps {
  store: Pick<RequestStore, 'listRecent' | 'countRecent' | 'read'>
  deadlineIndex: Pick<DeadlineIndex, 'count' | 'list' | 'scan'>
  failures: Pick<FailedRequests, 'list'>
  /** Hashes of requests that have started and not ended. */
  startedJobs: () => Promise<string[]>
  now: () => number
}

export function createRequestList(deps: Deps): RequestList {
  const { store, now } = deps

  const find: RequestList['find'] = async (names) => {
    const found = new Map<string, string[]>()
    for (const name of names) if (isRequestHash(name)) found.set(name, [name])
    const references = new Map(names.map((name) => [parseShortReference(name), name]))
    references.delete(null)
    if (references.size === 0) return found
    for await (const hashes of allHashes(deps))
      for (const hash of hashes) {
        const name = references.get(shortReference(hash))
        if (name !== undefined) found.set(name, [...new Set([...(found.get(name) ?? []), hash])])
      }
    return found
  }

  async function sourceOf({ reference, ...filter }: RequestFilter): Promise<Source> {
    if (reference) return fixed((await find([reference])).get(reference) ?? [])
    const recent = await recentRequests(store)
    const mayWait = filter.code === undefined && (filter.status ?? 'pending') === 'pending'
    const others = mayWait ? await olderRequests(deps, recent) : fixed([])
    return chain([fixed(await findIndexed(deps, filter)), recent, others])
  }

  return {
    find,
    async read(filter, limit, from = 0) {
      const isMatch = matcherOf(filter)
      const latest = now() - (filter.olderThanSeconds ?? 0) * 1000
      const isOld = (hash: string): boolean => (creationTimeOf(hash, now()) ?? 0) <= latest
      const isFiltered = Object.values(filter).some((value) => value !== undefined)
      const source = await sourceOf(filter)
      const found: { record: RequestRecord; place: number }[] = []
      const seen = new Set<string>()
      let place = from
      while (found.length <= limit && place < source.length) {
        if (place - from >= Math.max(MAX_HASHES, limit) || seen.size >= Math.max(MAX_RECORDS, limit)) break
        const slice = await source.read(place, isFiltered ? SLICE : limit + 1)
        const unread = slice
          .map((hash, i) => ({ hash, place: place + i }))
          .filter(({ hash }) => hash !== NONE && isOld(hash) && !seen.has(hash))
        const records = await Promise.all(
          // A record that another program made unreadable is skipped.
          unread.map(({ hash }) => store.read(hash).catch(nullIfUnreadable)),
        )
        for (const [i, one] of unread.entries()) {
          const record = records[i]?.record
          if (record && !seen.has(one.hash) && isMatch(record)) found.push({ record, place: one.place })
          seen.add(one.hash)
        }
        place += slice.length
      }
      const after = found[limit]?.place ?? place
      const newest = found.slice(0, limit).map(({ record }) => record)
      return { newest: newest.sort(byAge), next: after < source.length ? after : null }
    },

    async findByBeginning(beginning) {
      const found = new Set<string>()
      for await (const hashes of allHashes(deps))
        for (const hash of hashes) if (shortReference(hash).startsWith(beginning)) found.add(hash)
      return [...found]
    },
  }
}

/** In a place of a source that has no request to be read. */
const NONE = ''

/** A sequence of hashes with a fixed length. */
interface Source {
  length: number
  /** As many as asked for, or fewer at the end of a part; `NONE` for some. */
  read(from: number, count: number): Promise<string[]>
}

const fixed = (hashes: readonly string[]): Source => ({
  length: hashes.length,
  read: async (from, count) => hashes.slice(from, from + count),
})

const chain = (sources: readonly Source[]): Source => ({
  length: sources.reduce((sum, { length }) => sum + length, 0),
  async read(from, count) {
    let start = from
    for (const source of sources) {
      if (start < source.length) {
        const wanted = Math.min(count, source.length - start)
        const hashes = await source.read(start, wanted)
        return Array.from({ length: wanted }, (_, i) => hashes[i] ?? NONE)
      }
      start -= source.length
    }
    return []
  },
})

const recentRequests = async (store: Deps['store']): Promise<Source> => ({
  length: await store.countRecent(),
  read: (from, count) => store.listRecent(count, from),
})

/** Those that the list of recent ones has no room for, or that are scheduled for later than it lives. */
async function olderRequests({ deadlineIndex, now }: Deps, recent: Source): Promise<Source> {
  const [length, last] = await Promise.all([deadlineIndex.count(), recent.read(recent.length - 1, 1)])
  const oldest = last[0] === undefined ? Number.POSITIVE_INFINITY : (creationTimeOf(last[0], now()) ?? 0)
  const isOlder = (hash: string): boolean => (creationTimeOf(hash, now()) ?? 0) < oldest
  return {
    length,
    read: async (from, count) =>
      (await deadlineIndex.list(from, count)).map((hash) => (isOlder(hash) ? hash : NONE)),
  }
}

/** What has an index: those that run, and those that failed. */
async function findIndexed(
  { failures, startedJobs }: Deps,
  { status, service, code }: RequestFilter,
): Promise<string[]> {
  if (status === 'processing' || status === 'otp_required') return startedJobs()
  if (status !== 'failed' && code === undefined) return []
  return (await failures.list())
    .filter((one) => (!code || one.code === code) && (!service || one.service_slug === service))
    .map(({ hash }) => hash)
}

async function* allHashes({ store, deadlineIndex, failures }: Deps): AsyncGenerator<string[]> {
  yield (await failures.list()).map(({ hash }) => hash)
  const recent = await store.countRecent()
  for (let from = 0; from < recent; from += SLICE) yield await store.listRecent(SLICE, from)
  yield* deadlineIndex.scan()
}

const matcherOf =
  ({ status, service, code }: RequestFilter) =>
  (record: RequestRecord): boolean =>
    (!status || record.status === status) &&
    (!service || record.service_slug === service) &&
    (!code || record.error_data?.code === code)

const byAge = (a: RequestRecord, b: RequestRecord): number =>
  a.created_at < b.created_at ? 1 : a.created_at > b.created_at ? -1 : 0
