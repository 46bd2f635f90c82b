/**
 * What a request is: the record as it lies in Redis, and the public view that everybody may see.
 *
 * The names are the outside contract: bots in any language read and write the record's JSON.
 */
import { z } from 'zod'

export const STATUSES = ['pending', 'processing', 'otp_required', 'completed', 'failed', 'cancelled'] as const
export type Status = (typeof STATUSES)[number]

const FINAL: ReadonlySet<Status> = new Set(['completed', 'failed', 'cancelled'])
/** Nothing ever changes a final request again. */
export const isFinal = (status: Status): boolean => FINAL.has(status)

/** A UTC ISO 8601 time with milliseconds. */
type IsoTime = string
export const toIso = (ms: number): IsoTime => new Date(ms).toISOString()

/** Parameters of a text that each viewer reads in their own language. */
export type MessageParams = Record<string, string | number>

export interface Step {
  id: string
  state: 'waiting' | 'current' | 'done'
  started_at: IsoTime | null
  finished_at: IsoTime | null
}

/** An open question for a one-time code. Holds nothing secret: the code itself lives in the otp box only. */
export interface OtpPrompt {
  id: string
  /** How many characters the code has; null when the bot does not know. */
  length: number | null
  charset: 'digits'
  /** Where the code went, masked: `0912***4567`. */
  sent_to: string | null
  message: string | null
  expires_at: IsoTime
  resend_available_at: IsoTime
  attempts_left: number
  /** Why the person is asked again: the last code was wrong. */
  error: { code: 'otp_rejected'; message: string } | null
}

/** The prompt as the record keeps it: with what the rules need to remember. */
export interface StoredPrompt extends OtpPrompt {
  requested_at: IsoTime
  /** How often the person asked for another code in this request. */
  resends: number
}

export interface RequestError {
  code: string
  message: string
  retryable: boolean
}

export interface RequestRecord {
  hash: string
  service_slug: string
  user_id: string | number | null
  session_id: string | null
  status: Status
  step: string | null
  /** Whole number from 0 to 100; 100 only with `completed`. */
  progress: number
  current_message: string | null
  message_key?: string
  message_params?: MessageParams
  /** Whole seconds. */
  estimated_duration: number
  request_data: Record<string, unknown>
  otp_data: StoredPrompt | null
  result_data: unknown
  error_data: RequestError | null
  cancelled_by: 'user' | 'operator' | 'deadline' | 'superseded' | null
  steps: Step[]
  /** 0 until a worker took it; each take-over adds one. A write of an older attempt is refused. */
  attempt: number
  max_attempts: number
  next_retry_at: IsoTime | null
  /** When it should be done. Only ever moves later while a person is being waited for, so the shown rest never grows. */
  estimated_end_at: IsoTime | null
  /** The most progress ever reached: a foreign writer that goes back cannot take the bar with it. */
  reached: number
  /** Grows by one with every write. */
  version: number
  created_at: IsoTime
  started_at: IsoTime | null
  updated_at: IsoTime
  completed_at: IsoTime | null
  expires_at: IsoTime
}

/** The same object for the status call, the socket, the event stream and the channel. */
export interface PublicView {
  hash: string
  service_slug: string
  status: Status
  step: string | null
  progress: number
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
  attempt: number
  max_attempts: number
  next_retry_at: IsoTime | null
  otp_data: OtpPrompt | null
  result_data: unknown
  error_data: RequestError | null
  version: number
  created_at: IsoTime
  started_at: IsoTime | null
  updated_at: IsoTime
  completed_at: IsoTime | null
  expires_at: IsoTime
}

/** Newer means greater by (`version`, `updated_at`). */
export function isNewer(a: Pick<PublicView, 'version' | 'updated_at'>, b: Pick<PublicView, 'version' | 'updated_at'>): boolean {
  return a.version !== b.version ? a.version > b.version : a.updated_at > b.updated_at
}

/**
 * What anybody who knows the hash may see. `request_data`, `user_id` and `session_id` have no way in: the view is
 * built field by field, never by taking fields away.
 *
 * @param now milliseconds; the estimate of the remaining time depends on it
 */
export function publicView(record: RequestRecord, now: number, queuePosition: number | null = null): PublicView {
  return {
    hash: record.hash,
    service_slug: record.service_slug,
    status: record.status,
    step: record.step,
    progress: record.progress,
    current_message: record.current_message,
    ...(record.message_key && { message_key: record.message_key, message_params: record.message_params ?? {} }),
    estimated_remaining_time: remainingSeconds(record, now),
    requires_otp: record.status === 'otp_required',
    is_completed: record.status === 'completed',
    is_failed: record.status === 'failed',
    is_cancelled: record.status === 'cancelled',
    is_expired: now >= Date.parse(record.expires_at),
    steps: record.steps,
    queue_position: record.status === 'pending' ? queuePosition : null,
    attempt: record.attempt,
    max_attempts: record.max_attempts,
    next_retry_at: record.next_retry_at,
    otp_data: record.status === 'otp_required' ? publicPrompt(record.otp_data) : null,
    result_data: record.status === 'completed' ? (record.result_data ?? null) : null,
    error_data: record.status === 'failed' ? record.error_data : null,
    version: record.version,
    created_at: record.created_at,
    started_at: record.started_at,
    updated_at: record.updated_at,
    completed_at: record.completed_at,
    expires_at: record.expires_at,
  }
}

function publicPrompt(prompt: StoredPrompt | null): OtpPrompt | null {
  if (!prompt) return null
  const { requested_at: _at, resends: _resends, ...shown } = prompt
  return shown
}

/** Stands still while queued and while a person is being waited for; never grows, never negative. */
function remainingSeconds(record: RequestRecord, now: number): number {
  if (isFinal(record.status)) return 0
  if (!record.estimated_end_at) return record.estimated_duration
  const from = record.status === 'otp_required' && record.otp_data ? Date.parse(record.otp_data.requested_at) : now
  return Math.max(0, Math.ceil((Date.parse(record.estimated_end_at) - from) / 1000))
}

/**
 * Every record and every message of ours ends with this character. It is white space to any JSON parser and vanishes
 * when another program reads, changes and writes the JSON: so a foreign write is seen without comparing a field.
 */
const SEAL = '\t'
export const isSealed = (json: string): boolean => json.endsWith(SEAL)
export const seal = (value: RequestRecord | PublicView): string => JSON.stringify(value) + SEAL

const isoTime = z.iso.datetime({ offset: true }).transform((text) => toIso(Date.parse(text)))
const nullableTime = isoTime.nullable().catch(null)
const shortText = z.string().transform((text) => text.slice(0, 2000))
const wholeSeconds = z.coerce.number().int().nonnegative()

/** Reads what another program may have made of a record: what must be right is checked, the rest is put right. */
const foreignRecord = z.object({
  hash: z.string(),
  service_slug: z.string().max(200).catch(''),
  user_id: z.union([z.string(), z.number()]).nullable().catch(null),
  session_id: z.string().nullable().catch(null),
  status: z.enum(STATUSES),
  step: shortText.nullable().catch(null),
  progress: z.coerce.number().catch(0),
  current_message: shortText.nullable().catch(null),
  message_key: z.string().max(200).optional().catch(undefined),
  message_params: z.record(z.string(), z.union([z.string(), z.number()])).optional().catch(undefined),
  estimated_duration: wholeSeconds.catch(0),
  request_data: z.record(z.string(), z.unknown()).catch({}),
  otp_data: z
    .object({
      id: z.string().catch('otp'),
      length: z.number().int().positive().nullable().catch(null),
      charset: z.literal('digits').catch('digits'),
      sent_to: shortText.nullable().catch(null),
      message: shortText.nullable().catch(null),
      expires_at: isoTime,
      resend_available_at: isoTime,
      attempts_left: z.number().int().nonnegative().catch(3),
      error: z.object({ code: z.literal('otp_rejected'), message: z.string() }).nullable().catch(null),
      requested_at: isoTime,
      resends: z.number().int().nonnegative().catch(0),
    })
    .nullable()
    .catch(null),
  result_data: z.unknown().transform((value) => value ?? null),
  error_data: z
    .object({
      code: z.string().catch('failed'),
      message: z.string().catch(''),
      retryable: z.boolean().catch(false),
    })
    .nullable()
    .catch(null),
  cancelled_by: z.enum(['user', 'operator', 'deadline', 'superseded']).nullable().catch(null),
  steps: z
    .array(
      z.object({
        id: z.string(),
        state: z.enum(['waiting', 'current', 'done']),
        started_at: nullableTime,
        finished_at: nullableTime,
      }),
    )
    .max(100)
    .catch([]),
  attempt: z.number().int().nonnegative().catch(0),
  max_attempts: z.number().int().positive().catch(1),
  next_retry_at: nullableTime,
  estimated_end_at: nullableTime,
  reached: z.number().min(0).max(100).catch(0),
  version: z.number().int().nonnegative().catch(0),
  created_at: isoTime.optional().catch(undefined),
  started_at: nullableTime,
  updated_at: isoTime.optional().catch(undefined),
  completed_at: nullableTime,
  expires_at: isoTime.optional().catch(undefined),
})

/** A record as another program wrote it; the times it may have left out are still open. */
export type ForeignRecord = z.infer<typeof foreignRecord>

/** Null when it is no record at all: not JSON, no object, no known status. */
export function parseForeignRecord(json: string): ForeignRecord | null {
  try {
    return foreignRecord.parse(JSON.parse(json))
  } catch {
    return null
  }
}
