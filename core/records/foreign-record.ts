/**
 * What other programs make of a record. Any program may read a record's JSON, change it and write it back; here such a
 * write is read with care and made one of ours again.
 */
import type { z } from 'zod'
import { findService } from '../catalog/index.ts'
import { toIso } from '../domain/iso-time.ts'
import { isBlank, trustedMessageKey } from '../domain/message.ts'
import { firstPrompt, limitsOf, withinLimits } from '../domain/otp-prompt.ts'
import {
  isFinal,
  type RequestFailure,
  type RequestRecord,
  type Status,
  type Step,
  type StoredOtpPrompt,
} from '../domain/record.ts'
import type { TransitionContext } from '../domain/state-machine.ts'
import { completeAll, initialSteps, moveToStep } from '../domain/steps.ts'
import { quoteInexact } from './exact-numbers.ts'
import {
  clampPercent,
  ERROR_FIELDS,
  foreignRecordSchema,
  PROMPT_FIELDS,
  STEP_FIELDS,
} from './foreign-record-schema.ts'
import { isTooDeep } from './json-limits.ts'
import { unknownFields, withUnknownFields } from './unknown-fields.ts'
import { isOldRecord, upgradeRecord } from './upgrade-record.ts'

/** More than any record of ours can have: a result of 256 kB, a form of 64 kB, and their escapes. */
export const MAX_RECORD_CHARACTERS = 1024 * 1024
/** Some editors and platforms put it before text; JSON does not know it. */
const BYTE_ORDER_MARK = /^\ufeff/
/** How far another machine's clock may be ahead before its times are taken for nonsense. */
const CLOCK_SKEW_MS = 60_000

/** A record as another program wrote it; the times it may have left out are still open. */
export type ForeignRecord = Omit<z.infer<typeof foreignRecordSchema>, 'steps'> & { steps: Step[] }

/**
 * Null when it is no record at all: not JSON, no object, no known status, or far too long for one.
 *
 * @param hash the one it was found under; left out, it is the one it gives itself
 */
export function parseForeignRecord(json: string, hash?: string): ForeignRecord | null {
  if (json.length > MAX_RECORD_CHARACTERS || isTooDeep(json)) return null
  try {
    const value: unknown = JSON.parse(quoteInexact(json.replace(BYTE_ORDER_MARK, '')))
    if (!isObject(value)) return null
    const given = isOldRecord(value) ? upgradeRecord(value) : value
    const record = foreignRecordSchema.parse(given)
    const known = withUnknown({ ...record, steps: stepsOf(record) }, given)
    return { ...known, hash: hash ?? record.hash }
  } catch {
    return null
  }
}

/** The steps given, or those of the service where they are missing or invalid. */
function stepsOf({ steps, service_slug }: z.infer<typeof foreignRecordSchema>): Step[] {
  return dropOrphanSubsteps(steps ?? initialSteps(findService(service_slug)?.steps ?? []))
}

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
export function describeInvalid(json: string): string {
  if (json.length > MAX_RECORD_CHARACTERS) return 'far too long'
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
export function normalizeForeignRecord(
  foreign: ForeignRecord,
  { now, ttlSeconds }: TransitionContext,
): RequestRecord {
  const at = resolveUpdatedAt(foreign, now)
  const created = foreign.created_at ? Math.min(at, Date.parse(foreign.created_at)) : at
  const status = foreign.completed_at ? inferFinalStatus(foreign) : foreign.status
  const completed = isFinal(status) ? resolveCompletedAt(foreign, created, at) : null
  // One that is not due yet lives from when it is.
  const begins = Math.max(at, foreign.run_at ? Date.parse(foreign.run_at) : 0)
  const ends =
    completed === null
      ? resolveExpiresAt(foreign, created, begins + ttlSeconds * 1000)
      : completed + ttlSeconds * 1000
  const maxProgress = Math.min(99, Math.max(foreign.max_progress, clampPercent(foreign.progress)))
  const record: RequestRecord = {
    ...foreign,
    ...trustedMessageKey(foreign),
    otp_data: status === 'otp_required' || foreign.otp_data ? promptOf(foreign, at, ends) : null,
    status,
    progress: status === 'completed' ? 100 : maxProgress,
    max_progress: status === 'completed' ? 100 : maxProgress,
    version: foreign.version + 1,
    created_at: toIso(created),
    updated_at: toIso(at),
    completed_at: completed === null ? null : toIso(completed),
    expires_at: toIso(ends),
  }
  if (isFinal(status)) record.otp_data = record.next_retry_at = null
  if (status === 'failed') record.error_data = errorOf(record)
  if (status === 'processing' && record.step) record.steps = moveToStep(record.steps, record.step, at)
  if (status === 'completed') record.steps = completeAll(record.steps, at)
  if (status === 'otp_required' && record.otp_data) record.otp_limits = limitsOf(record.otp_data)
  return record
}

/** What the other program says of its question, the rest as usual, and no more than the request has left. */
function promptOf(
  { otp_data, otp_limits, version }: ForeignRecord,
  at: number,
  latest: number,
): StoredOtpPrompt {
  const said = Object.entries(otp_data ?? {}).filter(([, value]) => value !== undefined)
  const prompt: StoredOtpPrompt = {
    ...firstPrompt({ id: `otp-${version + 1}` }, { at, latest }),
    ...Object.fromEntries(said),
  }
  if (Date.parse(prompt.expires_at) > latest) prompt.expires_at = toIso(latest)
  return withinLimits(prompt, otp_limits)
}

/** An error without words of its own is explained by the message, or at least by its code. */
function errorOf({ error_data, current_message }: RequestRecord): RequestFailure {
  const error = error_data ?? { code: 'failed', message: '', retryable: false }
  if (!isBlank(error.message)) return error
  return { ...error, message: current_message ?? (error_data ? error.code : '') }
}

/** Final is final: a writer that overlooked the end (it changed only the status or the progress) does not undo it. */
function inferFinalStatus({ status, result_data, error_data }: ForeignRecord): Status {
  if (isFinal(status)) return status
  if (error_data) return 'failed'
  return result_data === null ? 'cancelled' : 'completed'
}

/** Now, or a little later when the other machine's clock says so: time never goes back. */
function resolveUpdatedAt({ updated_at }: ForeignRecord, now: number): number {
  const claimed = updated_at ? Date.parse(updated_at) : 0
  return claimed > now + CLOCK_SKEW_MS ? now : Math.max(now, claimed)
}

/** When it ended, if the record says so believably. From then it lives once more, whoever touches it afterwards. */
function resolveCompletedAt({ completed_at }: ForeignRecord, created: number, at: number): number {
  const claimed = completed_at ? Date.parse(completed_at) : at
  return claimed >= created && claimed <= at ? claimed : at
}

/** An end that is not after the beginning promises nothing; some programs write both alike. */
function resolveExpiresAt({ expires_at }: ForeignRecord, created: number, latest: number): number {
  const promised = expires_at ? Date.parse(expires_at) : latest
  return promised > Math.max(created, 0) ? Math.min(promised, latest) : latest
}

/** A part of nothing, or of another part, is a step of its own. */
function dropOrphanSubsteps(steps: Step[]): Step[] {
  const parents = new Set(steps.filter(({ of }) => of === undefined).map(({ id }) => id))
  return steps.map((step) => {
    const { of, ...own } = step
    return of === undefined || parents.has(of) ? step : own
  })
}
