/** All fields of a record, with the default of an absent one. */
import type { RequestRecord } from '../domain/record.ts'

/**
 * Decoded records are copied onto this, so that V8 gives all of them one hidden class whatever the order of the JSON:
 * worth a tenth of the reads a second.
 */
export const EMPTY_RECORD: Record<keyof RequestRecord, unknown> = {
  hash: undefined,
  service_slug: undefined,
  user_id: undefined,
  session_id: undefined,
  queue: undefined,
  bot: undefined,
  session_lost: undefined,
  submitter: undefined,
  subject: undefined,
  owner_hash: null,
  status: undefined,
  step: undefined,
  progress: undefined,
  current_message: undefined,
  message_key: undefined,
  message_params: undefined,
  message_fingerprint: undefined,
  estimated_duration: undefined,
  request_data: undefined,
  otp_data: undefined,
  otp_limits: undefined,
  result_data: undefined,
  error_data: undefined,
  cancelled_by: null,
  cancel_reason: undefined,
  steps: undefined,
  attempt: undefined,
  max_attempts: undefined,
  next_retry_at: null,
  estimated_end_at: null,
  earliest_end_at: undefined,
  is_late: undefined,
  expected: undefined,
  deadline_at: null,
  waited_ms: undefined,
  max_progress: 0,
  version: undefined,
  revision: undefined,
  traceparent: undefined,
  priority: undefined,
  run_at: undefined,
  retry_of: undefined,
  created_at: undefined,
  started_at: undefined,
  updated_at: undefined,
  completed_at: undefined,
  expires_at: undefined,
  kept: undefined,
}

/** The names of all fields that this version knows. */
export const FIELDS: ReadonlySet<string> = new Set(Object.keys(EMPTY_RECORD))
