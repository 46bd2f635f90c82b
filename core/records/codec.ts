/** How our own writes are told from those of other programs. */

import {
  type Position,
  type PublicView,
  type RequestRecord,
  STATUSES,
  type Status,
} from '../domain/record.ts'
import { pack, unpack } from './compact-record.ts'

/**
 * Every record and every message of ours ends with its mark. It is white space to any JSON parser and vanishes when
 * another program reads, changes and writes the JSON: so a foreign write is seen without comparing a field. The two
 * marks differ, so that a record that somebody publishes as it is never passes for a view.
 */
const RECORD_MARK = '\t'
const VIEW_MARK = '\t '
export const sealRecord = (record: RequestRecord): string => JSON.stringify(pack(record)) + RECORD_MARK
export const sealView = (view: PublicView): string => JSON.stringify(view) + VIEW_MARK

/** Null when it is not as we wrote it. */
export function unsealRecord(json: string): RequestRecord | null {
  const packed = unseal(json, RECORD_MARK)
  // A newer version may know more of them: its record is read like another program's.
  if (!packed || !STATUSES.includes(packed.status as Status)) return null
  return unpack(packed) as unknown as RequestRecord
}
export const unsealView = (json: string): PublicView | null => unseal(json, VIEW_MARK) as PublicView | null

/** What every view of ours begins with. */
const HEAD =
  /^\{"hash":"([\w-]+)","version":(\d+),"updated_at":"([\w:.-]+)","status":"(\w+)","progress":(\d+),"attempt":(\d+),"expires_at":"([\w:.-]+)",/

/** Where a view of ours stands, without reading the rest of it. Null when it is none. */
export function positionIn(json: string): Position | null {
  const head = json.endsWith(VIEW_MARK) && HEAD.exec(json)
  if (!head) return unsealView(json)
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

function unseal(json: string, mark: string): Record<string, unknown> | null {
  if (!json.endsWith(mark)) return null
  try {
    const value = JSON.parse(json) as Record<string, unknown> | null
    return typeof value?.version === 'number' ? value : null
  } catch {
    return null
  }
}
