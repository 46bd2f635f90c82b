/** How our own writes are told from those of other programs. */
import { pack, unpack } from './packed.ts'
import type { PublicView, RequestRecord } from './record.ts'

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
  return packed && (unpack(packed) as unknown as RequestRecord)
}
export const unsealView = (json: string): PublicView | null => unseal(json, VIEW_MARK) as PublicView | null

function unseal(json: string, mark: string): Record<string, unknown> | null {
  if (!json.endsWith(mark)) return null
  try {
    const value = JSON.parse(json) as Record<string, unknown> | null
    return typeof value?.version === 'number' ? value : null
  } catch {
    return null
  }
}
