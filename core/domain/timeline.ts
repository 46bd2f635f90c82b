/**
 * The timeline of a request: what its viewers saw, and when. An entry is made from the states before and after a write,
 * by the store, which keeps it beside the record, and by a page, which makes the same one from the views that arrive.
 */
import type { MessageParams } from '../i18n/localize-message.ts'
import type { IsoTime } from './iso-time.ts'
import { kindOf, type QuestionKind } from './otp-data.ts'
import type { RequestRecord, Status } from './record.ts'

/** With the first entry, which follows from the record and is not stored, 30. Of others the oldest are dropped. */
export const MAX_STORED_ENTRIES = 29
const MAX_TEXT = 200
const MAX_PARAMS = 500

export interface TimelineEntry {
  at: IsoTime
  status: Status
  /** 0 before the first start. */
  attempt: number
  step: string | null
  /** Null when the message stayed the same. */
  message: string | null
  message_key?: string
  message_params?: MessageParams
  /** What the submitter was asked for. */
  asked?: QuestionKind
  /** The attempt has failed, and this is when the next one starts. */
  next_retry_at?: IsoTime
  cancelled_by?: NonNullable<RequestRecord['cancelled_by']>
}

type Message = Pick<RequestRecord, 'current_message' | 'message_key' | 'message_params'>

/** What an entry is made from: a record, or its public view. */
type TimelineState = Message &
  Pick<RequestRecord, 'status' | 'attempt' | 'step' | 'next_retry_at' | 'updated_at' | 'error_data'> & {
    otp_data: { id: string; kind?: QuestionKind } | null
    cancelled_by?: RequestRecord['cancelled_by']
  }

export interface TimelineChange {
  entry: TimelineEntry
  /** The same message with other parameters, such as a count: the entry replaces the last one and keeps its time. */
  isRepeated: boolean
}

/** @param before null when it is not known; returns null when nothing changed that a viewer sees */
export function changeOfTimeline(before: TimelineState | null, after: TimelineState): TimelineChange | null {
  const isSameText = before !== null && isSameMessage(before, after)
  const isSameState = before !== null && isSame(before, after)
  if (isSameText && isSameState) return null
  const { updated_at, status, attempt, step, otp_data, next_retry_at, cancelled_by } = after
  return {
    entry: {
      at: updated_at,
      status,
      attempt,
      step,
      ...(isSameText && status !== 'failed' ? { message: null } : shorten(messageOf(after))),
      ...(status === 'otp_required' && otp_data && { asked: kindOf(otp_data) }),
      ...(next_retry_at !== null && { next_retry_at }),
      ...(cancelled_by && { cancelled_by }),
    },
    isRepeated: isSameState && after.message_key !== undefined && before.message_key === after.message_key,
  }
}

const isSame = (a: TimelineState, b: TimelineState): boolean =>
  a.status === b.status &&
  a.attempt === b.attempt &&
  a.step === b.step &&
  a.next_retry_at === b.next_retry_at &&
  (a.status !== 'otp_required' || a.otp_data?.id === b.otp_data?.id)

const isSameMessage = (a: Message, b: Message): boolean =>
  a.current_message === b.current_message &&
  a.message_key === b.message_key &&
  (a.message_params === b.message_params ||
    JSON.stringify(a.message_params ?? {}) === JSON.stringify(b.message_params ?? {}))

/** Another program may end a request with an error and leave the message of its progress. */
const messageOf = (state: TimelineState): Message =>
  state.status !== 'failed' || !state.error_data || state.error_data.message === state.current_message
    ? state
    : { current_message: state.error_data.message, message_key: state.error_data.code }

function shorten({
  current_message: text,
  message_key,
  message_params = {},
}: Message): Pick<TimelineEntry, 'message' | 'message_key' | 'message_params'> {
  const message = text !== null && text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT - 1)}…` : text
  const params = JSON.stringify(message_params)
  return message_key !== undefined && params.length <= MAX_PARAMS
    ? { message, message_key, ...(params !== '{}' && { message_params }) }
    : { message }
}
