/** Records and views as JSON, marked so that own writes are distinguished from those of other programs. */

import {
  type PublicView,
  type RequestRecord,
  STATUSES,
  type StatePosition,
  type Status,
} from '../domain/record.ts'
import { MAX_STORED_ENTRIES, type TimelineChange } from '../domain/timeline.ts'
import { EMPTY_RECORD } from './record-fields.ts'

/**
 * Every own record and view ends with a suffix of white space, which any JSON parser ignores. It is lost when another
 * program parses, changes and writes the JSON: a foreign write is recognized without comparing a field. The two suffixes
 * differ, so that a record published as it is never passes for a view.
 */
const OWN_RECORD_SUFFIX = '\t'
const OWN_VIEW_SUFFIX = '\t '
export const encodeRecord = (record: RequestRecord): string => JSON.stringify(record) + OWN_RECORD_SUFFIX
/**
 * As `encodeRecord`, without the times that only a start sets: they read as null, and a new record fits into a smaller size
 * class of Redis' allocator (a tenth of the memory of a pending request).
 */
export const encodeNewRecord = (record: RequestRecord): string =>
  encodeRecord({
    ...record,
    estimated_end_at: record.estimated_end_at ?? undefined,
    deadline_at: record.deadline_at ?? undefined,
  } as RequestRecord)
export const encodeView = (view: PublicView): string => JSON.stringify(view) + OWN_VIEW_SUFFIX

/** Null when Halfway did not write it. */
export function decodeRecord(json: string): RequestRecord | null {
  const fields = decode(json, OWN_RECORD_SUFFIX)
  // A newer version may have more statuses: its record is read like another program's.
  if (!fields || !STATUSES.includes(fields.status as Status)) return null
  return { ...EMPTY_RECORD, ...fields } as unknown as RequestRecord
}
export const decodeView = (json: string): PublicView | null =>
  decode(json, OWN_VIEW_SUFFIX) as PublicView | null

/** As `commitRequest` takes it: the time, 24 characters, and the rest as JSON. */
export function encodeTimelineChange(
  change: TimelineChange | null,
): { entry: string; keep: number } | undefined {
  if (!change) return undefined
  const { at, ...rest } = change.entry
  return { entry: at + JSON.stringify(rest), keep: change.isRepeated ? 0 : MAX_STORED_ENTRIES }
}
/** The start of every own view. */
const VIEW_HEADER =
  /^\{"hash":"([\w-]+)","version":(\d+),"updated_at":"([\w:.-]+)","status":"(\w+)","progress":(\d+),"attempt":(\d+),"expires_at":"([\w:.-]+)",/

/** The position of an own view, read without parsing the rest. Null when it is not an own view. */
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
