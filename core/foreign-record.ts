/**
 * What other programs make of a record. Any program may read a record's JSON, change it and write it back; here such a
 * write is read with care and made one of ours again.
 */
import { z } from 'zod'
import { toIso } from './iso-time.ts'
import { isTooDeep } from './json-limits.ts'
import type { Rules } from './lifecycle.ts'
import { firstPrompt, limitsOf, withinLimits } from './otp-prompt.ts'
import { unpack } from './packed.ts'
import { isFinal, type RequestRecord, STATUSES, type Status, type Step, type StoredPrompt } from './record.ts'
import { allDone, stepsAt } from './steps.ts'
import { keyOf, keyShape } from './told.ts'
import { unknownFields, withUnknownFields } from './unknown-fields.ts'

/** More than any record of ours can have: a result of 256 kB, a form of 64 kB, and their escapes. */
const MOST_CHARACTERS = 1024 * 1024
/** Some editors and platforms put it before text; JSON does not know it. */
const BYTE_ORDER_MARK = /^\ufeff/
/** How far another machine's clock may be ahead before its times are taken for nonsense. */
const CLOCK_SKEW_MS = 60_000

const isoTime = z.iso.datetime({ offset: true }).transform((text) => toIso(Date.parse(text)))
const nullableTime = isoTime.nullable().catch(null)
const shortText = z.string().transform((text) => text.slice(0, 2000))
const wholeSeconds = z.coerce.number().int().nonnegative().max(86_400)
const count = z.number().int().nonnegative().max(1_000_000_000)

/** What is right; the rest becomes undefined. */
const ifRight = <T extends z.ZodType>(type: T) => type.optional().catch(undefined)

/** Written by a bot that knows the public view: each field counts by itself, and what only our rules need may be missing. */
const foreignPrompt = z.object({
  id: ifRight(z.string().min(1).max(200)),
  length: ifRight(z.number().int().positive().max(100).nullable()),
  sent_to: ifRight(shortText.nullable()),
  message: ifRight(shortText.nullable()),
  ...keyShape,
  expires_at: ifRight(isoTime),
  resend_available_at: ifRight(isoTime.nullable()),
  attempts_left: ifRight(count),
  error: ifRight(z.object({ code: z.literal('otp_rejected'), message: shortText.catch('') }).nullable()),
  requested_at: ifRight(isoTime),
  resends: ifRight(count),
  resend_requested: ifRight(z.boolean()),
  recall: ifRight(z.boolean()),
})

const foreignError = z.object({
  code: z.string().catch('failed'),
  message: z.string().catch(''),
  retryable: z.boolean().catch(false),
})

const foreignStep = z.object({
  id: z.string(),
  state: z.enum(['waiting', 'current', 'done']),
  started_at: nullableTime,
  finished_at: nullableTime,
  of: z.string().optional().catch(undefined),
  progress: z.number().transform(clampPercent).optional().catch(undefined),
  outcome: z.enum(['failed', 'skipped']).optional().catch(undefined),
})

/** Reads what another program may have made of a record: what must be right is checked, the rest is put right. */
const foreignRecord = z.object({
  hash: z.string().catch(''),
  service_slug: z.string().max(200).catch(''),
  user_id: z.union([z.string(), z.number()]).nullable().catch(null),
  session_id: z.string().nullable().catch(null),
  subject: z.string().max(64).optional().catch(undefined),
  submitter: z.string().max(64).optional().catch(undefined),
  priority: z.number().int().min(1).max(10).optional().catch(undefined),
  run_at: isoTime.nullable().optional().catch(undefined),
  retry_of: z.string().max(200).nullable().optional().catch(undefined),
  installation: z.string().max(64).optional().catch(undefined),
  // Nonsense must not open what was somebody's: it becomes what no token fits.
  owner_hash: z.string().max(200).nullable().default(null).catch('nobody'),
  status: z.enum(STATUSES),
  step: shortText.nullable().catch(null),
  progress: z.coerce.number().catch(0),
  current_message: shortText.nullable().catch(null),
  ...keyShape,
  message_seal: z.string().max(100).optional().catch(undefined),
  estimated_duration: wholeSeconds.catch(0),
  request_data: z.record(z.string(), z.unknown()).catch({}),
  otp_data: foreignPrompt.nullable().catch(null),
  otp_limits: z
    .object({
      attempts_left: count,
      resends: count,
      resend_available_at: isoTime.nullable(),
      last_try: z.string().max(64).optional(),
    })
    .optional()
    .catch(undefined),
  result_data: z
    .unknown()
    .optional()
    .transform((value): unknown => value ?? null),
  error_data: foreignError.nullable().catch(null),
  cancelled_by: z.enum(['user', 'operator', 'deadline', 'superseded']).nullable().catch(null),
  steps: z.array(foreignStep).max(100).catch([]).transform(withTheirParents),
  attempt: count.catch(0),
  max_attempts: z.number().int().positive().catch(1),
  next_retry_at: nullableTime,
  estimated_end_at: nullableTime,
  deadline_at: nullableTime,
  reached: z.number().int().min(0).max(100).catch(0),
  version: count.catch(0),
  write_id: z.string().max(64).optional().catch(undefined),
  created_at: isoTime.optional().catch(undefined),
  started_at: nullableTime,
  updated_at: isoTime.optional().catch(undefined),
  completed_at: nullableTime,
  expires_at: isoTime.optional().catch(undefined),
})

/** A record as another program wrote it; the times it may have left out are still open. */
export type ForeignRecord = z.infer<typeof foreignRecord>

/**
 * Null when it is no record at all: not JSON, no object, no known status, or far too long for one.
 *
 * @param hash the one it was found under; left out, it is the one it gives itself
 */
export function parseForeignRecord(json: string, hash?: string): ForeignRecord | null {
  if (json.length > MOST_CHARACTERS || isTooDeep(json)) return null
  try {
    const value: unknown = JSON.parse(json.replace(BYTE_ORDER_MARK, ''))
    // Most programs change a record of ours and leave the rest of it as it was written.
    const given = isObject(value) ? unpack(value) : null
    const record = foreignRecord.parse(given)
    return { ...withUnknown(record, given ?? {}), hash: hash ?? record.hash }
  } catch {
    return null
  }
}

const PROMPT_FIELDS = new Set([...Object.keys(foreignPrompt.shape), 'charset'])
const ERROR_FIELDS = new Set(Object.keys(foreignError.shape))
const STEP_FIELDS = new Set(Object.keys(foreignStep.shape))

/** What this version does not know stays where it was. */
function withUnknown(read: ForeignRecord, given: Record<string, unknown>): ForeignRecord {
  const steps: unknown[] = Array.isArray(given.steps) ? given.steps : []
  return {
    ...unknownFields(given),
    ...read,
    otp_data: withUnknownFields(read.otp_data, given.otp_data, PROMPT_FIELDS),
    error_data: withUnknownFields(read.error_data, given.error_data, ERROR_FIELDS),
    steps: read.steps.map((step, i) => withUnknownFields(step, steps[i], STEP_FIELDS)),
  }
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** What is wrong with it, for the log. */
export function kindOfNonsense(json: string): string {
  if (json.length > MOST_CHARACTERS) return 'far too long'
  if (isTooDeep(json)) return 'nested too deep'
  try {
    const value: unknown = JSON.parse(json)
    if (Array.isArray(value)) return 'a list'
    return isObject(value) ? 'wrong fields' : 'no object'
  } catch {
    return 'no JSON'
  }
}

/**
 * A record that another program wrote, made one of ours again: the next version, with nothing gone back, and with its
 * promised end (a plain SETEX slides the key's life; the record's own `expires_at` holds).
 */
export function adopt(foreign: ForeignRecord, { now, ttlSeconds }: Rules): RequestRecord {
  const at = writtenAt(foreign, now)
  const created = foreign.created_at ? Math.min(at, Date.parse(foreign.created_at)) : at
  const status = foreign.completed_at ? endedAs(foreign) : foreign.status
  const completed = isFinal(status) ? completedAt(foreign, created, at) : null
  // One that is not due yet lives from when it is.
  const begins = Math.max(at, foreign.run_at ? Date.parse(foreign.run_at) : 0)
  const ends =
    completed === null
      ? promisedEnd(foreign, created, begins + ttlSeconds * 1000)
      : completed + ttlSeconds * 1000
  const reached = Math.min(99, Math.max(foreign.reached, clampPercent(foreign.progress)))
  const record: RequestRecord = {
    ...foreign,
    ...keyOf(foreign),
    otp_data: status === 'otp_required' || foreign.otp_data ? promptOf(foreign, at, ends) : null,
    status,
    progress: status === 'completed' ? 100 : reached,
    reached: status === 'completed' ? 100 : reached,
    version: foreign.version + 1,
    guarded: true,
    created_at: toIso(created),
    updated_at: toIso(at),
    completed_at: completed === null ? null : toIso(completed),
    expires_at: toIso(ends),
  }
  if (isFinal(status)) record.otp_data = record.next_retry_at = null
  if (status === 'failed')
    record.error_data ??= { code: 'failed', message: record.current_message ?? '', retryable: false }
  if (status === 'processing' && record.step) record.steps = stepsAt(record.steps, record.step, at)
  if (status === 'completed') record.steps = allDone(record.steps, at)
  if (status === 'otp_required' && record.otp_data) record.otp_limits = limitsOf(record.otp_data)
  return record
}

/** What the other program says of its question, the rest as usual, and no more than the request has left. */
function promptOf(
  { otp_data, otp_limits, version }: ForeignRecord,
  at: number,
  latest: number,
): StoredPrompt {
  const said = Object.entries(otp_data ?? {}).filter(([, value]) => value !== undefined)
  const prompt: StoredPrompt = {
    ...firstPrompt({ id: `otp-${version + 1}` }, { at, latest }),
    ...Object.fromEntries(said),
  }
  if (Date.parse(prompt.expires_at) > latest) prompt.expires_at = toIso(latest)
  return withinLimits(prompt, otp_limits)
}

/** Final is final: a writer that overlooked the end (it changed only the status or the progress) does not undo it. */
function endedAs({ status, result_data, error_data }: ForeignRecord): Status {
  if (isFinal(status)) return status
  if (error_data) return 'failed'
  return result_data === null ? 'cancelled' : 'completed'
}

/** Now, or a little later when the other machine's clock says so: time never goes back. */
function writtenAt({ updated_at }: ForeignRecord, now: number): number {
  const claimed = updated_at ? Date.parse(updated_at) : 0
  return claimed > now + CLOCK_SKEW_MS ? now : Math.max(now, claimed)
}

/** When it ended, if the record says so believably. From then it lives once more, whoever touches it afterwards. */
function completedAt({ completed_at }: ForeignRecord, created: number, at: number): number {
  const claimed = completed_at ? Date.parse(completed_at) : at
  return claimed >= created && claimed <= at ? claimed : at
}

/** An end that is not after the beginning promises nothing; some programs write both alike. */
function promisedEnd({ expires_at }: ForeignRecord, created: number, latest: number): number {
  const promised = expires_at ? Date.parse(expires_at) : latest
  return promised > Math.max(created, 0) ? Math.min(promised, latest) : latest
}

function clampPercent(value: number): number {
  return Number.isFinite(value) ? Math.min(100, Math.max(0, Math.floor(value))) : 0
}

/** A part of nothing, or of another part, is a step of its own. */
function withTheirParents(steps: Step[]): Step[] {
  const parents = new Set(steps.filter(({ of }) => of === undefined).map(({ id }) => id))
  return steps.map((step) => {
    const { of, ...own } = step
    return of === undefined || parents.has(of) ? step : own
  })
}
