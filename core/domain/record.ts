/**
 * The record of a request as stored in Redis, and its public view.
 *
 * Field names are a contract: bots in any language read and write the record's JSON.
 */
import type { MessageParams } from '../i18n/localize-message.ts'
import type { Expectation, Range } from './arrival.ts'
import { remainingRange, secondsToLatestEnd } from './expected-end.ts'
import type { IsoTime } from './iso-time.ts'
import { type OtpLimits, type OtpPrompt, type StoredOtpPrompt, toPublicPrompt } from './otp-data.ts'
import { type PublicFailure, publicFailure, type RequestFailure } from './request-failure.ts'
import type { Step } from './step.ts'
import type { QueueHold } from './waiting.ts'

export const STATUSES = ['pending', 'processing', 'otp_required', 'completed', 'failed', 'cancelled'] as const
export type Status = (typeof STATUSES)[number]

const FINAL: ReadonlySet<Status> = new Set(['completed', 'failed', 'cancelled'])
/** A final request changes no more, except that it may be kept longer once. */
export const isFinal = (status: Status): boolean => FINAL.has(status)

/** Not started, and due at a given time. */
export const isScheduled = ({ status, run_at }: Pick<PublicView, 'status' | 'run_at'>): boolean =>
  status === 'pending' && run_at !== null

export type { OtpPrompt, StoredOtpPrompt }

export interface RequestRecord {
  hash: string
  service_slug: string
  user_id: string | number | null
  session_id: string | null
  /** The queue of its job; absent in a record that another program created. */
  queue?: string
  /** The address of the bot that its last attempt was given to; absent where that did not announce itself. */
  bot?: string
  /** The session of a code was lost once, and the work began again. */
  session_lost?: boolean
  /** Keyed digest of the submitter, for fair scheduling (core/queue/fair-share.ts). */
  submitter?: string
  /** Keyed digest of the recipient of codes (core/store/subject-limits.ts). */
  subject?: string
  /** SHA-256 of the submitter's owner token, base64url; null when none was issued. */
  owner_hash: string | null
  status: Status
  step: string | null
  /** Whole number from 0 to 100; 100 only with `completed`. */
  progress: number
  current_message: string | null
  message_key?: string
  message_params?: MessageParams
  /** Shows whether another program changed the text and left its key (message.ts). */
  message_fingerprint?: string
  /** Whole seconds. */
  estimated_duration: number
  request_data: Record<string, unknown>
  otp_data: StoredOtpPrompt | null
  otp_limits?: OtpLimits
  result_data: unknown
  error_data: RequestFailure | null
  cancelled_by: 'user' | 'operator' | 'deadline' | 'superseded' | null
  cancel_reason?: string
  steps: Step[]
  /** 0 before the first start; each start adds one. A write of an older attempt is refused. */
  attempt: number
  max_attempts: number
  next_retry_at: IsoTime | null
  /**
   * The latest expected end. It moves later by the time spent waiting for a code, and where a step took longer than expected
   * or another attempt starts: then `is_late` is true.
   */
  estimated_end_at: IsoTime | null
  /** The earliest expected end; absent where nothing is expected. */
  earliest_end_at?: IsoTime
  is_late?: boolean
  /** What the last runs of the service let expect (arrival.ts), as of the start of the attempt; absent with too few runs. */
  expected?: Expectation
  /** Of all attempts: the service's limit from the first start, and the time spent waiting for codes. Null before that. */
  deadline_at: IsoTime | null
  /** How long it waited for answers, milliseconds; absent where it did not. */
  waited_ms?: number
  /** The highest progress so far: a foreign writer that lowers `progress` does not move the bar back. */
  max_progress: number
  /** Grows by one with every write. */
  version: number
  /** Random id of the write; without it two writers could commit identical records. Absent in the first write. */
  revision?: string
  /** The span of the last write that was traced (write-traces.ts). */
  traceparent?: string
  /** 1 (most urgent) to 10, as requested by the submitter; absent for the default of the service. */
  priority?: number
  /** Scheduled start; absent for an immediate one. */
  run_at?: IsoTime | null
  /** Hash of the failed request that was retried as this one. */
  retry_of?: string | null
  created_at: IsoTime
  started_at: IsoTime | null
  updated_at: IsoTime
  completed_at: IsoTime | null
  expires_at: IsoTime
  /** It is kept longer, which is possible once. */
  kept?: boolean
}

/** Orders the states of one request: enough to drop stale ones without parsing the view. */
export interface StatePosition {
  hash: string
  version: number
  updated_at: IsoTime
  status: Status
  progress: number
  attempt: number
  expires_at: IsoTime
}

/** Newer means greater by (`version`, `updated_at`). Everything that displays a request uses this order. */
export const isNewer = (
  a: Pick<StatePosition, 'version' | 'updated_at'>,
  b: Pick<StatePosition, 'version' | 'updated_at'>,
): boolean => (a.version !== b.version ? a.version > b.version : a.updated_at > b.updated_at)

/**
 * How `next` relates to a known position of the same request. A `regression` would undo a committed or displayed state:
 * another program stored an outdated record, or a fail-over lost the last writes.
 */
export function compare(known: ComparedPosition, next: ComparedPosition): 'newer' | 'same' | 'regression' {
  if (next.version === known.version && isSameWrite(known, next)) return 'same'
  const goesBack =
    next.version <= known.version ||
    next.progress < known.progress ||
    next.attempt < known.attempt ||
    (isFinal(known.status) && !isFinal(next.status))
  return goesBack ? 'regression' : 'newer'
}

/** Views have no revision, and the first record has none. */
type ComparedPosition = StatePosition & Pick<RequestRecord, 'revision'>
const isSameWrite = (a: ComparedPosition, b: ComparedPosition): boolean =>
  a.updated_at === b.updated_at &&
  (a.revision === undefined || b.revision === undefined || a.revision === b.revision)

/** The public part of a request: the same object in the status response, the socket, the event stream and the channel. */
export interface PublicView extends StatePosition {
  service_slug: string
  step: string | null
  current_message: string | null
  message_key?: string
  message_params?: MessageParams
  /** Seconds until the latest expected end. */
  estimated_remaining_time: number
  /** Seconds until the earliest and the latest expected end, which nine in ten requests keep; null with too few runs. */
  estimated_remaining_range: Range | null
  /** It takes longer than was expected before. */
  is_late: boolean
  requires_otp: boolean
  is_completed: boolean
  is_failed: boolean
  is_cancelled: boolean
  is_expired: boolean
  /** Set once it is kept longer. */
  is_kept?: true
  steps: Step[]
  queue_position: number | null
  /** While the operator holds the queue in which it waits; else null. */
  queue_hold: QueueHold | null
  /** When the bot of a running request was last known to be alive, in an answer to a status call; else null. */
  bot_seen_at: IsoTime | null
  max_attempts: number
  next_retry_at: IsoTime | null
  otp_data: OtpPrompt | null
  result_data: unknown
  error_data: PublicFailure | null
  /** Why the operator cancelled it, for the person; null without a reason. */
  cancel_reason: string | null
  run_at: IsoTime | null
  retry_of: string | null
  created_at: IsoTime
  started_at: IsoTime | null
  completed_at: IsoTime | null
}

/**
 * The view for everyone who knows the hash. It is built field by field, never by removing fields, so `request_data`,
 * `user_id` and `session_id` cannot leak into it.
 */
export function toPublicView(
  record: RequestRecord,
  now: number,
  botSeenAt: IsoTime | null = null,
): PublicView {
  return {
    // The position first and in this order: `peekPosition` of codec.ts reads it without parsing the rest.
    hash: record.hash,
    version: record.version,
    updated_at: record.updated_at,
    status: record.status,
    progress: record.progress,
    attempt: record.attempt,
    expires_at: record.expires_at,
    service_slug: record.service_slug,
    step: record.step,
    current_message: record.current_message,
    ...(record.message_key && {
      message_key: record.message_key,
      message_params: record.message_params ?? {},
    }),
    estimated_remaining_time: isFinal(record.status) ? 0 : secondsToLatestEnd(record, now),
    estimated_remaining_range: isFinal(record.status) ? null : remainingRange(record, now),
    is_late: record.is_late ?? false,
    requires_otp: record.status === 'otp_required',
    is_completed: record.status === 'completed',
    is_failed: record.status === 'failed',
    is_cancelled: record.status === 'cancelled',
    is_expired: now >= Date.parse(record.expires_at),
    ...(record.kept && { is_kept: true }),
    steps: record.steps.some(hasUnknownFields) ? record.steps.map(publicStep) : record.steps,
    queue_position: null,
    queue_hold: null,
    bot_seen_at: record.status === 'processing' ? botSeenAt : null,
    max_attempts: record.max_attempts,
    next_retry_at: record.next_retry_at,
    otp_data: record.status === 'otp_required' ? toPublicPrompt(record.otp_data, record.hash) : null,
    result_data: record.status === 'completed' ? (record.result_data ?? null) : null,
    error_data: record.status === 'failed' ? publicFailure(record.error_data) : null,
    cancel_reason: record.status === 'cancelled' ? (record.cancel_reason ?? null) : null,
    run_at: record.run_at ?? null,
    retry_of: record.retry_of ?? null,
    created_at: record.created_at,
    started_at: record.started_at,
    completed_at: record.completed_at,
  }
}

const STEP_FIELDS = new Set('id state started_at finished_at of progress outcome waited_ms'.split(' '))

/** Whether a step has fields of another program or of a newer version. */
function hasUnknownFields(step: Step): boolean {
  for (const name in step) if (!STEP_FIELDS.has(name)) return true
  return false
}

const publicStep = (step: Step): Step =>
  Object.fromEntries(Object.entries(step).filter(([name]) => STEP_FIELDS.has(name))) as unknown as Step
