/** What a value of Redis is: an own record, or text that another program stored. */
import type { Catalog } from '../catalog/catalog.ts'
import { decodeRecord } from '../records/codec.ts'
import {
  describeInvalid,
  type ForeignRecord,
  MAX_RECORD_CHARACTERS,
  parseForeignRecord,
} from '../records/foreign-record.ts'
import type { DataBox } from '../runtime/data-box.ts'
import { type Value, WRONG_TYPE } from './batched-get.ts'
import type { OwnStoredRecord, RecordCache } from './record-cache.ts'
import { openFields } from './sealed-fields.ts'

/** Decoding megabytes that are not UTF-8 is slow, and no record is that long: the rest is cut off. */
const textOf = (raw: Value): string =>
  typeof raw === 'string' ? raw : raw.subarray(0, MAX_RECORD_CHARACTERS + 1).toString()

/** Why it is no record, for the log. */
export const describeValue = (raw: Value): string =>
  raw === WRONG_TYPE ? 'no string' : describeInvalid(textOf(raw))

/** Null when Halfway did not write it for this hash: also an own record that was copied to another key. */
export function decodeOwn(box: DataBox, hash: string, raw: Value): OwnStoredRecord | null {
  const record = typeof raw === 'string' ? decodeRecord(raw) : null
  return record?.hash === hash
    ? { record: box.opens ? openFields(box, record) : record, raw: raw as string }
    : null
}

/** As `decodeOwn`. A poll mostly finds the value that it found before, and decoding is a third of its cost. */
export function decodeCached(
  box: DataBox,
  cache: RecordCache,
  hash: string,
  raw: Value | null,
): OwnStoredRecord | null {
  if (raw === null) return null
  const cached = cache.get(hash)
  return cached?.raw === raw ? cached : decodeOwn(box, hash, raw)
}

/** The record of another program. Null when it is none. */
export function parseForeign(
  box: DataBox,
  hash: string,
  raw: Value,
  catalog?: Pick<Catalog, 'find'>,
): ForeignRecord | null {
  const record = parseForeignRecord(textOf(raw), hash, catalog)
  return record && box.opens ? openFields(box, record) : record
}
