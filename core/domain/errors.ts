/**
 * The catalogue of errors. Programs decide by `code`, never by a message; it determines the HTTP status and whether a retry
 * can help. Every code has a title in `core/i18n/` under `error.{code}`.
 */
export const ERRORS = {
  bad_request: { status: 400, retryable: false },
  invalid_json: { status: 400, retryable: false },
  invalid_parameter: { status: 400, retryable: false },
  origin_not_allowed: { status: 403, retryable: false },
  not_owner: { status: 403, retryable: false },
  cookies_required: { status: 403, retryable: false },
  unauthorized: { status: 401, retryable: false },
  not_signed_in: { status: 401, retryable: false },
  not_found: { status: 404, retryable: false },
  unknown_service: { status: 404, retryable: false },
  request_not_found: { status: 404, retryable: false },
  method_not_allowed: { status: 405, retryable: false },
  not_acceptable: { status: 406, retryable: false },
  request_timeout: { status: 408, retryable: true },
  slug_taken: { status: 409, retryable: false },
  already_final: { status: 409, retryable: false },
  not_final: { status: 409, retryable: true },
  already_kept: { status: 409, retryable: false },
  keep_not_offered: { status: 409, retryable: false },
  not_completed: { status: 409, retryable: true },
  resend_not_offered: { status: 409, retryable: false },
  otp_not_expected: { status: 409, retryable: false },
  stale_attempt: { status: 409, retryable: false },
  invalid_transition: { status: 409, retryable: false },
  request_expired: { status: 410, retryable: false },
  otp_expired: { status: 410, retryable: false },
  link_over: { status: 410, retryable: false },
  link_revoked: { status: 410, retryable: false },
  body_too_large: { status: 413, retryable: false },
  unsupported_media_type: { status: 415, retryable: false },
  wrong_host: { status: 421, retryable: false },
  validation_failed: { status: 422, retryable: false },
  invalid_otp: { status: 422, retryable: false },
  idempotency_key_reused: { status: 422, retryable: false },
  headers_too_large: { status: 431, retryable: false },
  rate_limited: { status: 429, retryable: true },
  too_many_unfinished: { status: 429, retryable: true },
  otp_attempts_exhausted: { status: 429, retryable: false },
  resend_not_yet: { status: 429, retryable: true },
  resend_exhausted: { status: 429, retryable: false },
  subject_limit_reached: { status: 429, retryable: true },
  internal_error: { status: 500, retryable: true },
  unreadable_record: { status: 500, retryable: false },
  storage_unavailable: { status: 503, retryable: true },
  queue_full: { status: 503, retryable: true },
  sign_in_unavailable: { status: 503, retryable: true },
  service_closed: { status: 503, retryable: true },
  too_many_services: { status: 503, retryable: false },
  // Errors of requests; those above are errors of calls.
  bot_unavailable: { status: 502, retryable: true },
  bot_busy: { status: 429, retryable: true },
  bot_bad_answer: { status: 502, retryable: false },
  bot_unauthorized: { status: 502, retryable: false },
  bot_crashed: { status: 500, retryable: true },
  bot_stopping: { status: 503, retryable: true },
  worker_stopping: { status: 503, retryable: true },
  worker_lost: { status: 500, retryable: false },
  timed_out: { status: 504, retryable: true },
  session_lost: { status: 502, retryable: true },
  secret_unreadable: { status: 500, retryable: false },
  result_too_large: { status: 413, retryable: false },
} as const satisfies Record<string, { status: number; retryable: boolean }>

export type ErrorCode = keyof typeof ERRORS

/** Codes with which an attempt or a request fails. They are stored in `error_data`, and are keys of messages. */
export const REQUEST_FAILURE_CODES = [
  'bot_unavailable',
  'bot_busy',
  'bot_bad_answer',
  'bot_unauthorized',
  'bot_crashed',
  'bot_stopping',
  'worker_stopping',
  'worker_lost',
  'timed_out',
  'session_lost',
  'secret_unreadable',
  'result_too_large',
  'otp_expired',
  'otp_attempts_exhausted',
  'subject_limit_reached',
  'unknown_service',
  'storage_unavailable',
  'internal_error',
] as const satisfies ErrorCode[]
export type RequestFailureCode = (typeof REQUEST_FAILURE_CODES)[number]
export const isRequestFailureCode = (code: string): code is RequestFailureCode =>
  (REQUEST_FAILURE_CODES as readonly string[]).includes(code)

/** An invalid field of a submitted form. The text of `code` is `field_error.{code}` in `core/i18n/`. */
export interface FieldError {
  field: string
  code: string
  /** Parameters of the text, such as a limit. */
  params?: Record<string, string | number>
  /** The words of the service's definition, in one or several languages, in place of that text. */
  message?: string | Readonly<Record<string, string>>
}

export interface ErrorDetails {
  /** One sentence for people: what is wrong with this particular call. */
  detail?: string
  errors?: FieldError[]
  retryAfterSeconds?: number
  cause?: unknown
}

export class AppError extends Error {
  readonly code: ErrorCode
  readonly status: number
  readonly retryable: boolean
  readonly detail: string | undefined
  readonly errors: FieldError[] | undefined
  readonly retryAfterSeconds: number | undefined

  constructor(code: ErrorCode, details: ErrorDetails = {}) {
    super(details.detail ?? code, { cause: details.cause })
    this.name = 'AppError'
    this.code = code
    this.status = ERRORS[code].status
    this.retryable = ERRORS[code].retryable
    this.detail = details.detail
    this.errors = details.errors
    this.retryAfterSeconds = details.retryAfterSeconds
  }
}

/** Whether another program replaced a record by an invalid value. */
export const isUnreadable = (error: unknown): boolean =>
  error instanceof AppError && error.code === 'unreadable_record'

/** For reads of many requests: an unreadable one becomes null, every other error is thrown. */
export function nullIfUnreadable(error: unknown): null {
  if (!isUnreadable(error)) throw error
  return null
}
