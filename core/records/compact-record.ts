/**
 * A record as it is written down: without what is still as it was at first, and its steps in short. Requests that wait, and
 * those that have ended, take about half the memory so, and whatever reads or writes one less time. What the outside
 * contract names is always there, in full.
 *
 *   "waits", ["runs", "28.546Z"], ["is-done", "28.546Z", "9:01.002Z"], ["was-skipped", null, null]
 *
 * are steps: of a time only that is written in which it differs from `created_at`. A part of a step, or one of another
 * form, stands there in full. Steps that its service has and of which none is begun do not stand there.
 */

import { findService } from '../catalog/index.ts'
import { toIso } from '../domain/iso-time.ts'
import { hasUnknownFields, type RequestRecord, type Step } from '../domain/record.ts'
import { initialSteps } from '../domain/steps.ts'

type ShortStep = string | [id: string, started: string | null, finished?: string | null]

export function toCompact(record: RequestRecord): Record<string, unknown> {
  return {
    ...record,
    owner_hash: record.owner_hash ?? undefined,
    cancelled_by: record.cancelled_by ?? undefined,
    next_retry_at: record.next_retry_at ?? undefined,
    estimated_end_at: record.estimated_end_at ?? undefined,
    deadline_at: record.deadline_at ?? undefined,
    reached: record.reached || undefined,
    steps: allWaiting(record) ? undefined : record.steps.map((step) => shorten(step, record.created_at)),
  }
}

/**
 * All that a record may have, in one order: what is made of it again has one form in memory, whatever stood in the JSON, and
 * is quick to work with.
 */
const EMPTY_RECORD: Record<keyof RequestRecord, unknown> = {
  hash: undefined,
  service_slug: undefined,
  user_id: undefined,
  session_id: undefined,
  submitter: undefined,
  subject: undefined,
  owner_hash: null,
  status: undefined,
  step: undefined,
  progress: undefined,
  current_message: undefined,
  message_key: undefined,
  message_params: undefined,
  message_seal: undefined,
  estimated_duration: undefined,
  request_data: undefined,
  otp_data: undefined,
  otp_limits: undefined,
  result_data: undefined,
  error_data: undefined,
  cancelled_by: null,
  steps: undefined,
  attempt: undefined,
  max_attempts: undefined,
  next_retry_at: null,
  estimated_end_at: null,
  deadline_at: null,
  reached: 0,
  version: undefined,
  write_id: undefined,
  guarded: undefined,
  priority: undefined,
  run_at: undefined,
  retry_of: undefined,
  installation: undefined,
  created_at: undefined,
  started_at: undefined,
  updated_at: undefined,
  completed_at: undefined,
  expires_at: undefined,
}

/** The names of all fields that this version knows. */
export const FIELDS: ReadonlySet<string> = new Set(Object.keys(EMPTY_RECORD))

/** What was packed as it was before, and anything else as it is. */
export function fromCompact(packed: Record<string, unknown>): Record<string, unknown> {
  const { steps, service_slug: slug } = packed
  const whole: Record<string, unknown> = { ...EMPTY_RECORD, ...packed }
  if (steps === undefined) whole.steps = initialSteps(findService(slug as string)?.steps ?? [])
  else if (Array.isArray(steps)) {
    const created = inOurForm(packed.created_at)
    whole.steps = steps.map((step) => lengthen(step, created))
  }
  return whole
}

function allWaiting({ service_slug, steps }: RequestRecord): boolean {
  const ofService = findService(service_slug)?.steps
  if (ofService?.length !== steps.length) return false
  return (
    steps.every(
      ({ id, of, state, started_at, finished_at }, i) =>
        state === 'waiting' &&
        started_at === null &&
        finished_at === null &&
        id === ofService[i]?.id &&
        of === ofService[i]?.of,
    ) && !steps.some(hasUnknownFields)
  )
}

function shorten(step: Step, created: string): ShortStep | Step {
  const { id, state, started_at, finished_at, of, progress, outcome } = step
  if (of !== undefined || progress !== undefined || outcome !== undefined || hasUnknownFields(step))
    return step
  if (state === 'waiting' && started_at === null && finished_at === null) return id
  if (state === 'current' && finished_at === null) return [id, endOf(started_at, created)]
  return state === 'done' ? [id, endOf(started_at, created), endOf(finished_at, created)] : step
}

/** Another program may have put anything there: what is no time in short becomes none. */
function lengthen(step: unknown, created: string): unknown {
  if (typeof step === 'string') return { id: step, state: 'waiting', started_at: null, finished_at: null }
  if (!Array.isArray(step)) return step
  const [id, started, finished] = step as unknown[]
  return {
    id,
    state: step.length > 2 ? 'done' : 'current',
    started_at: wholeOf(started, created),
    finished_at: wholeOf(finished, created),
  }
}

function endOf(time: string | null, created: string): string | null {
  if (time === null) return null
  let same = 0
  while (same < time.length && time[same] === created[same]) same++
  return time.slice(same)
}

/** All times have the same length: one of another length stands there in full. */
const wholeOf = (end: unknown, created: string): string | null =>
  typeof end === 'string' ? created.slice(0, Math.max(0, created.length - end.length)) + end : null

const LENGTH = toIso(0).length

/** The moment of creation, to which the ends belong, however another program has written it. */
function inOurForm(created: unknown): string {
  if (typeof created !== 'string') return ''
  if (created.length === LENGTH) return created
  const ms = Date.parse(created)
  return Number.isNaN(ms) ? '' : toIso(ms)
}
