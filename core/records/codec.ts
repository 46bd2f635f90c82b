/** How our own writes are told from those of other programs. */

import {
  type PublicView,
  type RequestRecord,
  STATUSES,
  type StatePosition,
  type Status,
} from '../domain/record.ts'
import { fromCompact, toCompact } from './compact-record.ts'

/**
 * Every record and every message of ours ends with its mark. It is white space to any JSON parser and vanishes when
 * another program reads, changes and writes the JSON: so a foreign write is seen without comparing a field. The two
 * marks differ, so that a record that somebody publishes as it is never passes for a view.
 */
const OWN_RECORD_SUFFIX = '\t'
const OWN_VIEW_SUFFIX = '\t '
export const encodeRecord = (record: RequestRecord): string =>
  JSON.stringify(toCompact(record)) + OWN_RECORD_SUFFIX
export const encodeView = (view: PublicView): string => JSON.stringify(view) + OWN_VIEW_SUFFIX

/** Null when it is not as we wrote it. */
export function decodeRecord(json: string): RequestRecord | null {
  const packed = decode(json, OWN_RECORD_SUFFIX)
  // A newer version may know more of them: its record is read like another program's.
  if (!packed || !STATUSES.includes(packed.status as Status)) return null
  return fromCompact(packed) as unknown as RequestRecord
}
export const decodeView = (json: string): PublicView | null =>
  decode(json, OWN_VIEW_SUFFIX) as PublicView | null

/** What every view of ours begins with. */
const VIEW_HEADER =
  /^\{"hash":"([\w-]+)","version":(\d+),"updated_at":"([\w:.-]+)","status":"(\w+)","progress":(\d+),"attempt":(\d+),"expires_at":"([\w:.-]+)",/

/** Where a view of ours stands, without reading the rest of it. Null when it is none. */
export function peekPosition(json: string): StatePosition | null {
  const head = json.endsWith(OWN_VIEW_SUFFIX) && VIEW_HEADER.exec(json)
  if (!head) return decodeView(json)
  const [, hash = '', version, updated_at = '', status, progress, attempt, expires_at = ''] = head
  return {
    hash,
    version: Number(version),
    updated_at,
    status: status as Status,
    progress: Number(progress),
    attempt: Number(attempt),
    expires_at,
  }
}

function decode(json: string, mark: string): Record<string, unknown> | null {
  if (!json.endsWith(mark)) return null
  try {
    const value = JSON.parse(json) as Record<string, unknown> | null
    return typeof value?.version === 'number' ? value : null
  } catch {
    return null
  }
}
