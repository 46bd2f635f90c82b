/** What a value of Redis is: an own record, or text that another program stored. */
import { decodeRecord } from '../records/codec.ts'
import { MAX_RECORD_CHARACTERS } from '../records/foreign-record.ts'
import type { Value } from './batched-get.ts'
import type { OwnStoredRecord, RecordCache } from './record-cache.ts'

/** Decoding megabytes that are not UTF-8 is slow, and no record is that long: the rest is cut off. */
export const textOf = (raw: Value): string =>
  typeof raw === 'string' ? raw : raw.subarray(0, MAX_RECORD_CHARACTERS + 1).toString()

/** Null when Halfway did not write it for this hash: also an own record that was copied to another key. */
export function decodeOwn(hash: string, raw: Value): OwnStoredRecord | null {
  const record = typeof raw === 'string' ? decodeRecord(raw) : null
  return record?.hash === hash ? { record, raw: raw as string } : null
}

/** As `decodeOwn`. A poll mostly finds the value that it found before, and decoding is a third of its cost. */
export function decodeCached(cache: RecordCache, hash: string, raw: Value | null): OwnStoredRecord | null {
  if (raw === null) return null
  const cached = cache.get(hash)
  return cached?.raw === raw ? cached : decodeOwn(hash, raw)
}
