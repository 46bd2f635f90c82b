/**
 * Reads records that other programs wrote. Any program may read a record's JSON, change it and write it back; such a write is
 * parsed leniently and normalized to a valid own record.
 */
import type { z } from 'zod'
import type { Catalog } from '../catalog/catalog.ts'
import { KEEP_MS } from '../domain/deadline.ts'
import { toIso } from '../domain/iso-time.ts'
import { isBlank, trustedMessageKey } from '../domain/message.ts'
import { applyOtpLimits, createPrompt, toOtpLimits } from '../domain/otp-prompt.ts'
import { isFinal, type RequestRecord, type Status, type StoredOtpPrompt } from '../domain/record.ts'
import type { RequestFailure } from '../domain/request-failure.ts'
import { withoutSealed } from '../domain/sealed-values.ts'
import type { TransitionContext } from '../domain/state-machine.ts'
import type { Step } from '../domain/step.ts'
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

/** More than an own record can have: a result of 256 kB, a form of 64 kB, and their escapes. */
export const MAX_RECORD_CHARACTERS = 1024 * 1024
/** Some editors and platforms write it before text; JSON does not allow it. */
const BYTE_ORDER_MARK = /^\ufeff/
/** How far another machine's clock may be ahead before its times are ignored. */
const CLOCK_SKEW_MS = 60_000

/** A record as another program wrote it; times may be absent. */
export type ForeignRecord = Omit<z.infer<typeof foreignRecordSchema>, 'steps'> & { steps: Step[] }

/**
 * Null when it is no record: not JSON, no object, no known status, nested too deep or too long.
 *
 * @param hash the hash of its key; left out, the record's own field is used
 * @param catalog gives the steps of the service where the record has none
 */
export function parseForeignRecord(
  json: string,
  hash?: string,
  catalog?: Pick<Catalog, 'find'>,
): ForeignRecord | null {
  if (json.length > MAX_RECORD_CHARACTERS || isTooDeep(json)) return null
  try {
    const value: unknown = JSON.parse(quoteInexact(json.replace(BYTE_ORDER_MARK, '')))
    if (!isObject(value)) return null
    const record = foreignRecordSchema.parse(value)
    const known = withUnknown({ ...record, steps: toSteps(record, catalog) }, value)
    return { ...known, hash: hash ?? record.hash }
  } catch {
    return null
  }
}

/** The steps given, or those of the service where they are missing or invalid. */
function toSteps(
  { steps, service_slug }: z.infer<typeof foreignRecordSchema>,
  catalog: Pick<Catalog, 'find'> | undefined,
): Step[] {
  return dropOrphanSubsteps(steps ?? initialSteps(catalog?.find(service_slug)?.steps ?? []))
}

/** Keeps fields that this version does not know. */
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

/** Why it is no record, for the log. */
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
 * Makes a valid own record of a foreign one: the next version, with progress that never decreases and with its promised expiry
 * (a plain SETEX extends the TTL of the key, but the record's `expires_at` holds).
 */
export function normalizeForeignRecord(
  foreign: ForeignRecord,
  { now, ttlSeconds }: TransitionContext,
): RequestRecord {
  const at = resolveUpdatedAt(foreign, now)
  const created = foreign.created_at ? Math.min(at, Date.parse(foreign.created_at)) : at
  const status = foreign.completed_at ? inferFinalStatus(foreign) : foreign.status
  const completed = isFinal(status) ? resolveCompletedAt(foreign, created, at) : null
  // The lifetime of a scheduled request starts when it is due.
  const begins = Math.max(at, foreign.run_at ? Date.parse(foreign.run_at) : 0)
  const endsAfter = (from: number): number => from + ttlSeconds * 1000
  const ends =
    completed === null ? resolveExpiresAt(foreign, created, endsAfter(begins))
    : foreign.kept ? resolveExpiresAt(foreign, created, endsAfter(completed) + KEEP_MS)
    : endsAfter(completed) // biome-ignore format: a table
  const maxProgress = Math.min(99, Math.max(foreign.max_progress, clampPercent(foreign.progress)))
  const record: RequestRecord = {
    ...foreign,
    ...trustedMessageKey(foreign),
    otp_data: status === 'otp_required' || foreign.otp_data ? toPrompt(foreign, at, ends) : null,
    status,
    progress: status === 'completed' ? 100 : maxProgress,
    max_progress: status === 'completed' ? 100 : maxProgress,
    version: foreign.version + 1,
    created_at: toIso(created),
    updated_at: toIso(at),
    completed_at: completed === null ? null : toIso(completed),
    expires_at: toIso(ends),
  }
  if (isFinal(status)) {
    record.otp_data = record.next_retry_at = null
    record.request_data = withoutSealed(record.request_data)
  }
  if (status === 'failed') record.error_data = toFailure(record)
  if (status === 'processing' && record.step) record.steps = moveToStep(record.steps, record.step, at)
  if (status === 'completed') record.steps = completeAll(record.steps, at)
  if (status === 'otp_required' && record.otp_data)
    record.otp_limits = toOtpLimits(record.otp_data) ?? record.otp_limits
  return record
}

/** The prompt of the other program, completed by defaults and limited by what the request has left. */
function toPrompt(
  { otp_data, otp_limits, version }: ForeignRecord,
  at: number,
  latest: number,
): StoredOtpPrompt {
  const given = Object.entries(otp_data ?? {}).filter(([, value]) => value !== undefined)
  const prompt: StoredOtpPrompt = {
    ...createPrompt({ id: `otp-${version + 1}`, kind: otp_data?.kind }, { at, latest }),
    ...Object.fromEntries(given),
  }
  if (Date.parse(prompt.expires_at) > latest) prompt.expires_at = toIso(latest)
  return applyOtpLimits(prompt, otp_limits)
}

/** An error without a message gets the request's message, else its code. */
function toFailure({ error_data, current_message }: RequestRecord): RequestFailure {
  const error = error_data ?? { code: 'failed', message: '', retryable: false }
  if (!isBlank(error.message)) return error
  return { ...error, message: current_message ?? (error_data ? error.code : '') }
}

/** Final stays final: a record with `completed_at` and another status gets the final status that its data implies. */
function inferFinalStatus({ status, result_data, error_data }: ForeignRecord): Status {
  if (isFinal(status)) return status
  if (error_data) return 'failed'
  return result_data === null ? 'cancelled' : 'completed'
}

/** Now, or a little later when the other machine's clock is ahead: the time never decreases. */
function resolveUpdatedAt({ updated_at }: ForeignRecord, now: number): number {
  const claimed = updated_at ? Date.parse(updated_at) : 0
  return claimed > now + CLOCK_SKEW_MS ? now : Math.max(now, claimed)
}

/** The record's own end time if it is plausible, else now. Its lifetime is counted again from there. */
function resolveCompletedAt({ completed_at }: ForeignRecord, created: number, at: number): number {
  const claimed = completed_at ? Date.parse(completed_at) : at
  return claimed >= created && claimed <= at ? claimed : at
}

/** An `expires_at` that is not after the creation is ignored: some programs write both alike. */
function resolveExpiresAt({ expires_at }: ForeignRecord, created: number, latest: number): number {
  const promised = expires_at ? Date.parse(expires_at) : latest
  return promised > Math.max(created, 0) ? Math.min(promised, latest) : latest
}

/** A substep whose parent is missing, or is a substep itself, becomes a top-level step. */
function dropOrphanSubsteps(steps: Step[]): Step[] {
  const parents = new Set(steps.filter(({ of }) => of === undefined).map(({ id }) => id))
  return steps.map((step) => {
    const { of, ...own } = step
    return of === undefined || parents.has(of) ? step : own
  })
}
