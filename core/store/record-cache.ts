/**
 * The records that this process read or wrote last: the next command is applied to them without a read, and they are the
 * fallback when another program stored an invalid or older value.
 */
import { LRUCache } from 'lru-cache'
import { isFinal, type RequestRecord } from '../domain/record.ts'
import type { Value } from './batched-get.ts'

/**
 * A record and the exact value it was read as, which a compare-and-set compares. When that value is invalid, the record is
 * the last valid one, and the next write repairs it. Callers share it with the cache and must not change it.
 */
export interface StoredRecord {
  record: RequestRecord
  raw: Value
}
/** As Halfway wrote it, which is always text. */
export type OwnStoredRecord = StoredRecord & { raw: string }

export interface RecordCache {
  set(stored: OwnStoredRecord): void
  /** False, and unchanged, when the cached record is newer, or another write of the same version. */
  setIfNewer(stored: OwnStoredRecord): boolean
  get(hash: string): OwnStoredRecord | null
  remove(hash: string): null
}

/** A record has some 1,400 characters, and takes 5 kB decoded; one with a large result has 300,000. */
const MAX_RECORDS = 1_000
const MAX_CHARACTERS = 2_500_000
/** Private data must not outlive its record by much, in memory either. */
const PURGE_INTERVAL_MS = 60_000
/** One that has ended is rarely written again, and may be deleted by another process at any time. */
const FINAL_TTL_MS = 60_000

export function createRecordCache({
  now,
  maxCharacters = MAX_CHARACTERS,
}: {
  now: () => number
  maxCharacters?: number
}): RecordCache {
  const cache = new LRUCache<string, OwnStoredRecord>({
    max: MAX_RECORDS,
    maxSize: maxCharacters,
    sizeCalculation: ({ raw }) => raw.length,
    // An expired record still tells that its request has expired, until it is purged.
    allowStale: true,
    noDeleteOnStaleGet: true,
    perf: { now },
  })
  let isPurging = false

  function purgeLater(): void {
    if (isPurging) return
    isPurging = true
    setTimeout(() => {
      cache.purgeStale()
      isPurging = false
      if (cache.size > 0) purgeLater()
    }, PURGE_INTERVAL_MS).unref()
  }

  function set(stored: OwnStoredRecord): void {
    const { hash, status, expires_at } = stored.record
    const restMs = Date.parse(expires_at) - now()
    cache.set(hash, stored, { ttl: Math.max(1, isFinal(status) ? Math.min(restMs, FINAL_TTL_MS) : restMs) })
    purgeLater()
  }

  return {
    set,
    remove(hash) {
      cache.delete(hash)
      return null
    },
    setIfNewer(stored) {
      const cached = cache.get(stored.record.hash)
      if (cached === stored) return true
      if (cached && cached.record.version >= stored.record.version) return cached.raw === stored.raw
      set(stored)
      return true
    },
    get: (hash) => cache.get(hash) ?? null,
  }
}
