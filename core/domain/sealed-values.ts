/** Sealed values of `request_data` (secret-box.ts): they go to the bot only, and are deleted with the work's end. */

import type { RequestRecord } from './record.ts'

/** A value that `secret-box.ts` has sealed. */
interface Sealed {
  sealed: string
}
type RequestData = RequestRecord['request_data']

export const isSealed = (value: unknown): value is Sealed =>
  typeof value === 'object' && value !== null && typeof (value as Partial<Sealed>).sealed === 'string'

/** Without sealed values; the same object when there is none. */
export function withoutSealed(data: RequestData): RequestData {
  const entries = Object.entries(data)
  return entries.some(([, value]) => isSealed(value))
    ? Object.fromEntries(entries.filter(([, value]) => !isSealed(value)))
    : data
}

/** With sealed values opened. Null when one of them cannot be opened. */
export function openSealed(data: RequestData, open: (value: Sealed) => string | null): RequestData | null {
  const entries = Object.entries(data).map(
    ([name, value]) => [name, isSealed(value) ? open(value) : value] as const,
  )
  return entries.some(([name, value]) => value === null && data[name] !== null)
    ? null
    : Object.fromEntries(entries)
}
