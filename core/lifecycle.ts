/**
 * The life of a request: one table, and one pure function over it. No clock, no I/O: the same record and change
 * always give the same answer, so the rules are tested as properties and hold in every process alike.
 *
 *   pending       created, its job is queued; leaves when a worker takes it, or by cancel or failure
 *   processing    a worker has it (or waits for the next try); steps and progress move
 *   otp_required  a bot asked for a code; leaves when a code is handed over
 *   completed, failed, cancelled   final: nothing ever changes it again, but its time is renewed once on arrival
 */
import type { ForeignRecord, MessageParams, RequestError, RequestRecord, Status, Step, StoredPrompt } from './record.ts'
import { isFinal, toIso } from './record.ts'

/** What may happen in which state, and where it leads. */
export const TRANSITIONS = {
  pending: {
    start: 'processing',
    progress: 'processing',
    require_otp: 'otp_required',
    complete: 'completed',
    fail: 'failed',
    cancel: 'cancelled',
  },
  processing: {
    start: 'processing',
    progress: 'processing',
    retry: 'processing',
    require_otp: 'otp_required',
    reject_otp: 'otp_required',
    complete: 'completed',
    fail: 'failed',
    cancel: 'cancelled',
  },
  otp_required: {
    start: 'processing',
    progress: 'otp_required',
    retry: 'processing',
    require_otp: 'otp_required',
    submit_otp: 'processing',
    resend_otp: 'otp_required',
    complete: 'completed',
    fail: 'failed',
    cancel: 'cancelled',
  },
  completed: {},
  failed: {},
  cancelled: {},
} as const satisfies Record<Status, Partial<Record<Change['type'], Status>>>

interface Message {
  message?: string
  message_key?: string
  message_params?: MessageParams
}

/** What a bot says when it asks for a code; everything else has a sensible default. */
export interface OtpRequest {
  id: string
  length?: number
  sent_to?: string
  message?: string
  /** Seconds the person has. */
  expires_in?: number
}

/** What somebody wants to happen. Changes of a bot or worker carry the attempt they belong to. */
export type Change =
  | { type: 'start'; attempt: number }
  | ({ type: 'progress'; attempt: number; progress: number; step?: string } & Message)
  | ({ type: 'retry'; attempt: number; nextRetryAt: number; error: RequestError } & Message)
  | { type: 'require_otp'; attempt: number; otp: OtpRequest }
  | { type: 'reject_otp'; attempt: number; message?: string }
  | { type: 'submit_otp' }
  | { type: 'resend_otp' }
  | ({ type: 'complete'; attempt: number; result: unknown } & Message)
  | { type: 'fail'; attempt?: number; error: RequestError }
  | { type: 'cancel'; by: NonNullable<RequestRecord['cancelled_by']> }

/** Why a change was not made; also an error code of the catalogue. */
export type Refusal =
  | 'already_final'
  | 'stale_attempt'
  | 'invalid_transition'
  | 'otp_not_expected'
  | 'otp_expired'
  | 'resend_not_yet'
  | 'resend_exhausted'
  | 'otp_attempts_exhausted'

export type Advanced = { ok: true; record: RequestRecord } | { ok: false; refusal: Refusal }

export interface Rules {
  /** Milliseconds at which the change happens. */
  now: number
  /** Seconds a record lives after its creation, and once more after its end. */
  ttlSeconds: number
}

export const OTP_DEFAULTS = { expiresInSeconds: 120, attempts: 3, resendCooldownSeconds: 30, maxResends: 5 } as const

/** The next record, or why there is none. Never changes its arguments. */
export function advance(record: RequestRecord, change: Change, { now, ttlSeconds }: Rules): Advanced {
  const refusal = refuse(record, change, now)
  if (refusal) return { ok: false, refusal }

  const at = Math.max(now, Date.parse(record.updated_at))
  const to = (TRANSITIONS[record.status] as Partial<Record<Change['type'], Status>>)[change.type] as Status
  const next: RequestRecord = { ...record, status: to, version: record.version + 1, updated_at: toIso(at) }
  if (record.status === 'otp_required' && to !== 'otp_required') resumeEstimate(next, record, at)
  effects(next, record, change, at)
  if (isFinal(next.status)) {
    next.completed_at = toIso(at)
    next.expires_at = toIso(at + ttlSeconds * 1000)
    next.next_retry_at = null
    next.otp_data = null
  }
  return { ok: true, record: next }
}

function refuse(record: RequestRecord, change: Change, now: number): Refusal | null {
  if (isFinal(record.status)) return 'already_final'
  if (change.type === 'start') {
    if (change.attempt <= record.attempt) return 'stale_attempt'
  } else if ('attempt' in change && change.attempt !== undefined && change.attempt !== record.attempt) {
    return 'stale_attempt'
  }
  const allowed = change.type in TRANSITIONS[record.status]
  if (change.type === 'reject_otp' && !record.otp_data) return 'otp_not_expected'
  if (change.type !== 'submit_otp' && change.type !== 'resend_otp') return allowed ? null : 'invalid_transition'
  if (!allowed || !record.otp_data) return 'otp_not_expected'
  return change.type === 'submit_otp' ? refuseCode(record.otp_data, now) : refuseResend(record.otp_data, now)
}

function refuseCode(prompt: StoredPrompt, now: number): Refusal | null {
  if (prompt.attempts_left <= 0) return 'otp_attempts_exhausted'
  return now >= Date.parse(prompt.expires_at) ? 'otp_expired' : null
}

function refuseResend(prompt: StoredPrompt, now: number): Refusal | null {
  if (prompt.resends >= OTP_DEFAULTS.maxResends) return 'resend_exhausted'
  return now < Date.parse(prompt.resend_available_at) ? 'resend_not_yet' : null
}

/** What a change does beyond the status, the version and the time. `next` is a copy and may be written to. */
function effects(next: RequestRecord, before: RequestRecord, change: Change, at: number): void {
  switch (change.type) {
    case 'start':
      next.attempt = change.attempt
      next.started_at ??= toIso(at)
      next.estimated_end_at ??= toIso(at + next.estimated_duration * 1000)
      next.next_retry_at = null
      next.otp_data = null
      return
    case 'progress':
      next.started_at ??= toIso(at)
      next.next_retry_at = null
      moveProgress(next, change.progress)
      if (change.step !== undefined) moveStep(next, change.step, at)
      say(next, change)
      shortenEstimate(next, at)
      return
    case 'retry':
      next.next_retry_at = toIso(change.nextRetryAt)
      next.otp_data = null
      say(next, change)
      return
    case 'require_otp':
      next.started_at ??= toIso(at)
      next.otp_data = openPrompt(change.otp, before.status === 'otp_required' ? before.otp_data : null, at)
      say(next, { message: change.otp.message })
      return
    case 'reject_otp':
      rejectCode(next, change.message, at)
      return
    case 'resend_otp':
      if (next.otp_data) next.otp_data = askAgain(next.otp_data, at)
      return
    case 'complete':
      next.progress = next.reached = 100
      next.steps = next.steps.map((step) => finished(step, at))
      next.result_data = change.result
      say(next, change)
      return
    case 'fail':
      next.error_data = change.error
      next.current_message = change.error.message
      next.message_key = next.message_params = undefined
      return
    case 'cancel':
      next.cancelled_by = change.by
      return
    case 'submit_otp':
      return
  }
}

/** Never down, not across a retry either, and never 100 before it is done. */
function moveProgress(next: RequestRecord, progress: number): void {
  const wanted = Number.isFinite(progress) ? Math.floor(progress) : 0
  next.progress = next.reached = Math.max(next.progress, next.reached, Math.min(99, Math.max(0, wanted)))
}

function moveStep(next: RequestRecord, id: string, at: number): void {
  next.step = id
  const index = next.steps.findIndex((step) => step.id === id)
  if (index < 0) return
  next.steps = next.steps.map((step, i) => {
    if (i < index) return finished(step, at)
    if (i === index) return { ...step, state: 'current', started_at: step.started_at ?? toIso(at), finished_at: null }
    return { id: step.id, state: 'waiting', started_at: null, finished_at: null }
  })
}

const finished = (step: Step, at: number): Step =>
  step.state === 'done' ? step : { ...step, state: 'done', finished_at: step.started_at && toIso(at) }

/** A message replaces the one before as a whole: a new text never keeps an old key. */
function say(next: RequestRecord, { message, message_key, message_params }: Message): void {
  if (message === undefined && message_key === undefined) return
  if (message !== undefined) next.current_message = message.slice(0, 2000)
  next.message_key = message_key
  next.message_params = message_params
}

/** A prompt that replaces an open one keeps its count of resends and their cooldown; the tries begin anew. */
function openPrompt(otp: OtpRequest, before: StoredPrompt | null, at: number): StoredPrompt {
  const cooldown = toIso(at + OTP_DEFAULTS.resendCooldownSeconds * 1000)
  return {
    id: otp.id,
    length: otp.length ?? null,
    charset: 'digits',
    sent_to: otp.sent_to ?? null,
    message: otp.message ?? null,
    expires_at: toIso(at + (otp.expires_in ?? OTP_DEFAULTS.expiresInSeconds) * 1000),
    resend_available_at: before?.resend_available_at ?? cooldown,
    attempts_left: OTP_DEFAULTS.attempts,
    error: null,
    requested_at: before?.requested_at ?? toIso(at),
    resends: before?.resends ?? 0,
  }
}

function rejectCode(next: RequestRecord, message: string | undefined, at: number): void {
  const prompt = next.otp_data
  const left = (prompt?.attempts_left ?? 1) - 1
  if (prompt && left > 0) {
    const error = { code: 'otp_rejected' as const, message: message ?? 'That code was not right.' }
    next.otp_data = { ...prompt, attempts_left: left, requested_at: toIso(at), error }
    return
  }
  next.status = 'failed'
  next.error_data = {
    code: 'otp_attempts_exhausted',
    message: 'The code was wrong too many times.',
    retryable: false,
  }
  next.current_message = next.error_data.message
}

/** The wait for another code doubles each time: 30 s, 60 s, 120 s … */
function askAgain(prompt: StoredPrompt, at: number): StoredPrompt {
  const waitSeconds = OTP_DEFAULTS.resendCooldownSeconds * 2 ** (prompt.resends + 1)
  return { ...prompt, resends: prompt.resends + 1, resend_available_at: toIso(at + waitSeconds * 1000), error: null }
}

/** The rest takes at most its share of the usual duration; what was promised before never gets longer. */
function shortenEstimate(next: RequestRecord, at: number): void {
  const rest = at + (next.estimated_duration * 1000 * (100 - next.progress)) / 100
  next.estimated_end_at = toIso(next.estimated_end_at ? Math.min(Date.parse(next.estimated_end_at), rest) : rest)
}

/** The estimate stood still while a person was being waited for: move its end by as long. */
function resumeEstimate(next: RequestRecord, before: RequestRecord, at: number): void {
  if (!before.estimated_end_at || !before.otp_data) return
  next.estimated_end_at = toIso(Date.parse(before.estimated_end_at) + at - Date.parse(before.otp_data.requested_at))
}

/**
 * A record that another program wrote, made one of ours again: the next version, with nothing gone back, and with its
 * promised end (a plain SETEX slides the key's life; the record's own `expires_at` holds).
 */
export function adopt(foreign: ForeignRecord, { now, ttlSeconds }: Rules): RequestRecord {
  const at = Math.max(now, foreign.updated_at ? Date.parse(foreign.updated_at) : 0)
  const status = foreign.completed_at ? endedAs(foreign) : foreign.status
  const endsNow = isFinal(status) && !foreign.completed_at
  const longest = at + ttlSeconds * 1000
  const ends = endsNow || !foreign.expires_at ? longest : Math.min(longest, Date.parse(foreign.expires_at))
  const reached = Math.min(99, Math.max(foreign.reached, clampPercent(foreign.progress)))
  const record: RequestRecord = {
    ...foreign,
    status,
    progress: status === 'completed' ? 100 : reached,
    reached: status === 'completed' ? 100 : reached,
    version: foreign.version + 1,
    created_at: foreign.created_at ?? toIso(at),
    updated_at: toIso(at),
    completed_at: endsNow ? toIso(at) : foreign.completed_at,
    expires_at: toIso(ends),
  }
  if (status === 'failed') record.error_data ??= { code: 'failed', message: record.current_message ?? '', retryable: false }
  if (status === 'processing' && record.step) moveStep(record, record.step, at)
  if (status === 'completed') record.steps = record.steps.map((step) => finished(step, at))
  if (status === 'otp_required') record.otp_data ??= openPrompt({ id: `otp-${record.version}` }, null, at)
  return record
}

/** Final is final: a writer that overlooked the end (it changed only the status or the progress) does not undo it. */
function endedAs({ status, result_data, error_data }: ForeignRecord): Status {
  if (isFinal(status)) return status
  if (error_data) return 'failed'
  return result_data === null ? 'cancelled' : 'completed'
}

const clampPercent = (value: number): number => (Number.isFinite(value) ? Math.min(100, Math.max(0, Math.floor(value))) : 0)

/** The first record of a request. */
export function newRecord(input: {
  hash: string
  service: { slug: string; estimatedSeconds: number; tries: number; steps: readonly { id: string }[] }
  requestData: Record<string, unknown>
  sessionId: string | null
  userId?: string | number | null
  now: number
  ttlSeconds: number
}): RequestRecord {
  const created = toIso(input.now)
  return {
    hash: input.hash,
    service_slug: input.service.slug,
    user_id: input.userId ?? null,
    session_id: input.sessionId,
    status: 'pending',
    step: null,
    progress: 0,
    current_message: null,
    estimated_duration: input.service.estimatedSeconds,
    request_data: input.requestData,
    otp_data: null,
    result_data: null,
    error_data: null,
    cancelled_by: null,
    steps: input.service.steps.map(({ id }) => ({ id, state: 'waiting', started_at: null, finished_at: null })),
    attempt: 0,
    max_attempts: input.service.tries,
    next_retry_at: null,
    estimated_end_at: null,
    reached: 0,
    version: 1,
    created_at: created,
    started_at: null,
    updated_at: created,
    completed_at: null,
    expires_at: toIso(input.now + input.ttlSeconds * 1000),
  }
}

