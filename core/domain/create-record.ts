/** Builds the first record of a request. */
import { commonMessage } from './common-messages.ts'
import { toIso } from './iso-time.ts'
import { setMessage } from './message.ts'
import type { RequestRecord } from './record.ts'
import { initialSteps } from './steps.ts'

export function createRecord(input: {
  hash: string
  service: {
    slug: string
    queue: { name: string }
    usual_seconds: number
    tries: number
    steps: readonly { id: string; of?: string }[]
  }
  requestData: Record<string, unknown>
  sessionId: string | null
  ownerHash?: string | null
  userId?: string | number | null
  submitter?: string
  subject?: string
  priority?: number
  /** Scheduled start, milliseconds; immediately when left out. */
  runAt?: number | null
  retryOf?: string
  now: number
  ttlSeconds: number
}): RequestRecord {
  const created = toIso(input.now)
  const { submitter, subject, priority, runAt, retryOf } = input
  const record: RequestRecord = {
    hash: input.hash,
    service_slug: input.service.slug,
    queue: input.service.queue.name,
    user_id: input.userId ?? null,
    session_id: input.sessionId,
    owner_hash: input.ownerHash ?? null,
    ...(submitter !== undefined && { submitter }),
    ...(subject !== undefined && { subject }),
    ...(priority !== undefined && { priority }),
    ...(runAt && { run_at: toIso(runAt) }),
    ...(retryOf !== undefined && { retry_of: retryOf }),
    status: 'pending',
    step: null,
    progress: 0,
    current_message: null,
    estimated_duration: input.service.usual_seconds,
    request_data: input.requestData,
    otp_data: null,
    result_data: null,
    error_data: null,
    cancelled_by: null,
    steps: initialSteps(input.service.steps),
    attempt: 0,
    max_attempts: input.service.tries,
    next_retry_at: null,
    estimated_end_at: null,
    deadline_at: null,
    max_progress: 0,
    version: 1,
    created_at: created,
    started_at: null,
    updated_at: created,
    completed_at: null,
    expires_at: toIso((runAt ?? input.now) + input.ttlSeconds * 1000),
  }
  setMessage(record, commonMessage('received'))
  return record
}
