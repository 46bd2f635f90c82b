/**
 * `request_data` and `result_data` with DATA_KEY: `{"sealed":"…"}` in Redis and in messages, plain in memory. A value that did
 * not change is not sealed again, so that a progress write costs the same with and without a key.
 */
import { decodeView, encodeView } from '../records/codec.ts'
import { type DataBox, isSealedText } from '../runtime/data-box.ts'

const NAMES = ['request_data', 'result_data'] as const
type Name = (typeof NAMES)[number]

/** The text that a value in memory was opened from, or sealed to, and where. */
const sealedAs = new WeakMap<object, { context: string; text: string }>()

const contextOf = (hash: string, name: Name): string => `${hash} ${name}`
const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null

interface Fields {
  hash: string
  request_data?: unknown
  result_data?: unknown
}

/** With both fields sealed. */
export const sealFields = <T extends Fields>(box: DataBox, record: T): T => convert(box, record, seal)

/** With both fields opened. One that none of the keys opens stays sealed. */
export const openFields = <T extends Fields>(box: DataBox, record: T): T => convert(box, record, open)

function convert<T extends Fields>(box: DataBox, record: T, one: typeof seal): T {
  const names = NAMES.filter((name) => isWorthSealing(record[name]))
  if (names.length === 0) return record
  const converted = { ...record }
  for (const name of names) converted[name] = one(box, contextOf(record.hash, name), record[name])
  return converted
}

/** Nothing is hidden in `null` and `{}`, with which most records begin. */
const isWorthSealing = (value: unknown): boolean =>
  value !== null && value !== undefined && !(isObject(value) && Object.keys(value).length === 0)

function seal(box: DataBox, context: string, value: unknown): unknown {
  const known = isObject(value) && sealedAs.get(value)
  if (known && known.context === context) return { sealed: known.text }
  const text = box.seal(context, JSON.stringify(value))
  if (isObject(value)) sealedAs.set(value, { context, text })
  return { sealed: text }
}

function open(box: DataBox, context: string, value: unknown): unknown {
  const text = sealedText(value)
  if (text === null) return value
  const json = box.open(context, text)
  const opened: unknown = json === null ? value : JSON.parse(json)
  if (isObject(opened)) sealedAs.set(opened, { context, text })
  return opened
}

/** Whether no key of this process has opened it. */
export const isStillSealed = (value: unknown): boolean => sealedText(value) !== null

function sealedText(value: unknown): string | null {
  if (!isObject(value)) return null
  const { sealed, ...others } = value as { sealed?: unknown }
  return typeof sealed === 'string' && isSealedText(sealed) && Object.keys(others).length === 0
    ? sealed
    : null
}

const SEALED_RESULT = '"result_data":{"sealed":'

/** A published view with its result opened. Any other message as it is. */
export function openMessage(box: DataBox, message: string): string {
  const view = message.includes(SEALED_RESULT) ? decodeView(message) : null
  return view ? encodeView(openFields(box, view)) : message
}
