/**
 * The records that this process has read or written last, as many as fit and only while they live: what the next change
 * is made to without reading first, and what to go by when another program has left nonsense in a record's place, or
 * something older has come back.
 */
import type { RequestRecord } from '../domain/record.ts'
import { decodeRecord } from '../records/codec.ts'
import type { Value } from './batched-get.ts'

/**
 * A record and the exact value it was read as: what a compare-and-set compares. Where that value is nonsense, the record
 * is the last good one, and whoever writes next mends it.
 */
export interface StoredRecord {
  record: RequestRecord
  raw: Value
}
/** A record as one of ours wrote it, which is always text. */
type Written = StoredRecord & { raw: string }

export interface RecordCache {
  set(stored: Written): void
  /** Keeps it, unless what was kept is newer than this, or another write of the same version: then false. */
  setIfNewer(stored: Written): boolean
  get(hash: string): StoredRecord | null
  /** The request is gone; nothing of it must come back. */
  remove(hash: string): void
}

/** In all; a record has some 900, one with a great result 300,000. */
const MOST_CHARACTERS = 2_500_000
/** What people sent must not outlive its record by much, here either. */
const SWEEP_INTERVAL_MS = 60_000

export function createRecordCache({
  now,
  mostCharacters = MOST_CHARACTERS,
}: {
  now: () => number
  mostCharacters?: number
}): RecordCache {
  /** Kept as text, a third of the parsed record; the oldest first. */
  const kept = new Map<string, { raw: string; version: number; expiresAt: number }>()
  let characters = 0
  let isLooking = false

  const remove = (hash: string): void => {
    characters -= kept.get(hash)?.raw.length ?? 0
    kept.delete(hash)
  }

  function forgetExpiredLater(): void {
    if (isLooking) return
    isLooking = true
    setTimeout(() => {
      for (const [hash, { expiresAt }] of kept) if (expiresAt <= now()) remove(hash)
      isLooking = false
      if (kept.size > 0) forgetExpiredLater()
    }, SWEEP_INTERVAL_MS).unref()
  }

  function set({ raw, record: { hash, version, expires_at } }: Written): void {
    remove(hash)
    if (raw.length > mostCharacters) return
    kept.set(hash, { raw, version, expiresAt: Date.parse(expires_at) })
    characters += raw.length
    forgetExpiredLater()
    if (characters > mostCharacters) evict()
  }

  /** A tenth at a time: to find the oldest in a map from which many have gone takes a while. */
  function evict(): void {
    for (const oldest of kept.keys()) {
      if (characters <= mostCharacters * 0.9) return
      remove(oldest)
    }
  }

  return {
    remove,
    set,
    setIfNewer(stored) {
      const last = kept.get(stored.record.hash)
      if (last && last.version >= stored.record.version) return last.raw === stored.raw
      set(stored)
      return true
    },
    get(hash) {
      const raw = kept.get(hash)?.raw
      const record = raw === undefined ? null : decodeRecord(raw)
      return raw !== undefined && record ? { record, raw } : null
    },
  }
}
