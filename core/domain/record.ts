/**
 * What a request is: the record as it lies in Redis, and the public view that everybody may see.
 *
 * The names are the outside contract: bots in any language read and write the record's JSON.
 */
import type { MessageParams } from '../i18n/localize-message.ts'
import type { IsoTime } from './iso-time.ts'
import type { OtpLimits, OtpPrompt, StoredOtpPrompt } from './otp-data.ts'

export const STATUSES = ['pending', 'processing', 'otp_required', 'completed', 'failed', 'cancelled'] as const
export type Status = (typeof STATUSES)[number]

const FINAL: ReadonlySet<Status> = new Set(['completed', 'failed', 'cancelled'])
/** Nothing ever changes a final request again. */
export const isFinal = (status: Status): boolean => FINAL.has(status)

/** When people are warned that what they look at will be gone. */
const EXPIRING_MS = 120_000
export const isExpiring = ({ expires_at }: Pick<PublicView, 'expires_at'>, now: number): boolean =>
  Date.parse(expires_at) - now < EXPIRING_MS

/** Not begun, and not to begin at once. */
export const isScheduled = ({ status, run_at }: Pick<PublicView, 'status' | 'run_at'>): boolean =>
  status === 'pending' && run_at !== null

export interface Step {
  id: string
  state: 'waiting' | 'current' | 'done'
  started_at: IsoTime | null
  finished_at: IsoTime | null
  /** The step that it is a part of. Parts run side by side; how far each is, 0 to 100, and how it ended if not well. */
  of?: string
  progress?: number
  outcome?: 'failed' | 'skipped'
}
/** What a bot tells of a part. */
export type SubstepReport = Pick<Step, 'id' | 'state' | 'progress' | 'outcome'>

export type { OtpPrompt, StoredOtpPrompt }

export interface RequestFailure {
  code: string
  message: string
  retryable: boolean
}

export interface RequestRecord {
  hash: string
  service_slug: string
  user_id: string | number | null
  session_id: string | null
  /** Who sent it, as a digest: each one's requests take turns with those of the others (core/queue/fair-share.ts). */
  submitter?: string
  /** Who is asked for codes, as a keyed digest (core/store/subject-limits.ts). */
  subject?: string
  /** SHA-256 of the token that its submitter was given, base64url; null when nobody was given one. */
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
  steps: Step[]
  /** 0 until a worker took it; each take-over adds one. A write of an older attempt is refused. */
  attempt: number
  max_attempts: number
  next_retry_at: IsoTime | null
  /** When it should be done. Only ever moves later while a person is being waited for, so the shown rest never grows. */
  estimated_end_at: IsoTime | null
  /**
   * When the work must be done: the service's limit from the start of the first attempt, moved by as long as a person
   * was being waited for. Null until it is started.
   */
  deadline_at: IsoTime | null
  /** The highest progress so far: a foreign writer that lowers `progress` does not move the bar back. */
  max_progress: number
  /** Grows by one with every write. */
  version: number
  /** Random id of the write; without it two writers could commit identical records. Absent in the first write. */
  revision?: string
  /** How urgent it is, 1 to 10, where its submitter has said so; else its service says. */
  priority?: number
  /** When it is due; absent when that was at once. */
  run_at?: IsoTime | null
  /** The failed request of which it is another try. */
  retry_of?: string | null
  created_at: IsoTime
  started_at: IsoTime | null
  updated_at: IsoTime
  completed_at: IsoTime | null
  expires_at: IsoTime
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

/** The same object for the status call, the socket, the event stream and the channel. */
export interface PublicView extends StatePosition {
  service_slug: string
  step: string | null
  current_message: string | null
  message_key?: string
  message_params?: MessageParams
  estimated_remaining_time: number
  requires_otp: boolean
  is_completed: boolean
  is_failed: boolean
  is_cancelled: boolean
  is_expired: boolean
  steps: Step[]
  queue_position: number | null
  max_attempts: number
  next_retry_at: IsoTime | null
  otp_data: OtpPrompt | null
  result_data: unknown
  error_data: RequestFailure | null
  /** When it is due, of one that was not to run at once. */
  run_at: IsoTime | null
  /** The failed request that was sent again as this one. */
  retry_of: string | null
  created_at: IsoTime
  started_at: IsoTime | null
  completed_at: IsoTime | null
}

/**
 * What anybody who knows the hash may see. `request_data`, `user_id` and `session_id` have no way in: the view is
 * built field by field, never by taking fields away.
 *
 * @param now milliseconds; the estimate of the remaining time depends on it
 * @param place in the queue, 1 is next
 */
export function toPublicView(record: RequestRecord, now: number, place: number | null = null): PublicView {
  return {
    // Its position first, and in this order: there it can be read without the rest (seal.ts).
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
    estimated_remaining_time: remainingSeconds(record, now),
    requires_otp: record.status === 'otp_required',
    is_completed: record.status === 'completed',
    is_failed: record.status === 'failed',
    is_cancelled: record.status === 'cancelled',
    is_expired: now >= Date.parse(record.expires_at),
    steps: record.steps.some(hasUnknownFields) ? record.steps.map(publicStep) : record.steps,
    queue_position: record.status === 'pending' ? place : null,
    max_attempts: record.max_attempts,
    next_retry_at: record.next_retry_at,
    otp_data: record.status === 'otp_required' ? publicPrompt(record.otp_data) : null,
    result_data: record.status === 'completed' ? (record.result_data ?? null) : null,
    error_data: record.status === 'failed' ? publicError(record.error_data) : null,
    run_at: record.run_at ?? null,
    retry_of: record.retry_of ?? null,
    created_at: record.created_at,
    started_at: record.started_at,
    completed_at: record.completed_at,
  }
}

function publicPrompt(prompt: StoredOtpPrompt | null): OtpPrompt | null {
  if (!prompt) return null
  const { message_key, message_params } = prompt
  return {
    id: prompt.id,
    length: prompt.length,
    charset: prompt.charset,
    sent_to: prompt.sent_to,
    message: prompt.message,
    ...(message_key !== undefined && { message_key }),
    ...(message_params !== undefined && { message_params }),
    expires_at: prompt.expires_at,
    resend_available_at: prompt.resend_available_at,
    attempts_left: prompt.attempts_left,
    error: prompt.error,
  }
}

const STEP_FIELDS = new Set(['id', 'state', 'started_at', 'finished_at', 'of', 'progress', 'outcome'])

/** Whether a newer version of ours, or another program, keeps more in a step than this version knows. */
export function hasUnknownFields(step: Step): boolean {
  for (const name in step) if (!STEP_FIELDS.has(name)) return true
  return false
}

const publicStep = (step: Step): Step =>
  Object.fromEntries(Object.entries(step).filter(([name]) => STEP_FIELDS.has(name))) as unknown as Step

const publicError = (error: RequestFailure | null): RequestFailure | null =>
  error && { code: error.code, message: error.message, retryable: error.retryable }

/** Stands still while queued and while a person is being waited for; never grows, never negative. */
function remainingSeconds(record: RequestRecord, now: number): number {
  if (isFinal(record.status)) return 0
  if (!record.estimated_end_at) return record.estimated_duration
  const asked = record.status === 'otp_required' ? record.otp_data?.requested_at : undefined
  // A clock that is behind the last writer's must not make the rest grow.
  const from = asked ? Date.parse(asked) : Math.max(now, Date.parse(record.updated_at))
  const rest = Math.ceil((Date.parse(record.estimated_end_at) - from) / 1000)
  return Math.max(0, Math.min(rest, record.estimated_duration))
}
