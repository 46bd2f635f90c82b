/**
 * Requests in Redis: read, make the transition, write if the record has not changed since. The rules live in
 * `core/domain/state-machine.ts`. Each write applies one of them to the latest record and publishes the result in the same step.
 *
 * A request that this process has read or written before costs one round trip. On a conflict the script returns the newer
 * record and the change is made to that one, so no update is lost.
 */

import type { Catalog } from '../catalog/catalog.ts'
import { normalizeAnswer } from '../domain/answer.ts'
import type { Command } from '../domain/command.ts'
import { AppError } from '../domain/errors.ts'
import { kindOf } from '../domain/otp-data.ts'
import type { RequestRecord, StatePosition } from '../domain/record.ts'
import { isRequestHash } from '../domain/request-id.ts'
import { shortReference } from '../domain/short-reference.ts'
import { type RejectionCode, transition } from '../domain/state-machine.ts'
import { describeInexact, findInexact } from '../records/exact-numbers.ts'
import { isTooDeep, MAX_STORED_DEPTH } from '../records/json-limits.ts'
import type { RedisClient } from '../redis/connect.ts'
import { retryWithoutWrongTypes } from '../redis/wrong-type.ts'
import type { Log } from '../runtime/log.ts'
import { earlyTryId, takeEarlyCode } from './early-codes.ts'
import { createHeartbeats, type Heartbeats } from './heartbeats.ts'
import type { StoredRecord } from './record-cache.ts'
import { createRecordStore } from './record-store.ts'
import { whyMissing } from './request-removal.ts'
import { TooManyWriters, withStorageErrors } from './storage-errors.ts'
import { countCode } from './subject-limits.ts'
import type { WriteObserver } from './write-observer.ts'
import type { TraceWrite } from './write-traces.ts'

export type { StoredRecord }

/** `stored` is the record that refused; null when there is none. */
interface Refused {
  ok: false
  rejection: RejectionCode | 'request_not_found'
  stored: StoredRecord | null
}
export type ApplyResult = { ok: true; stored: StoredRecord } | Refused

export interface RequestStore extends Heartbeats {
  /**
   * Null when there is none or it has expired. A foreign write is reconciled and committed before it is returned, and so
   * is a record older than `atLeast`, the position a client was already shown.
   * @throws AppError `storage_unavailable`; `unreadable_record` for an invalid value when no valid record is known
   */
  read(hash: string, atLeast?: StatePosition | null): Promise<StoredRecord | null>
  /** As `read`, of a request that must exist. @throws AppError `request_not_found`, `request_expired`, and as `read` */
  get(hash: string): Promise<StoredRecord>
  /** Why there is no such request: `request_expired`, also for a removed one, or `request_not_found`. */
  whyMissing(hash: string): Promise<AppError>
  /** Stores the record, its list entry and the time of its first check. False when the hash already has a record. */
  create(record: RequestRecord): Promise<boolean>
  /**
   * @param options.reserve is called once when the change is allowed, before it is written; nothing is when it throws
   * @throws AppError `storage_unavailable`, `unreadable_record`; `result_too_large`, `bot_bad_answer` for a result that
   * cannot be kept
   */
  apply(
    hash: string,
    command: Command,
    options?: { reserve?: (record: RequestRecord) => Promise<void> },
  ): Promise<ApplyResult>
  /** Hashes of the latest requests, newest first, without the first `from`; some may have expired. */
  listRecent(count: number, from?: number): Promise<string[]>
  /** How many the list of the latest has. */
  countRecent(): Promise<number>
}

export const MAX_RESULT_BYTES = 256 * 1024
/** A write fails after this many conflicts in a row, which no real load causes. */
const MAX_CONFLICTS = 1000

interface Options {
  redis: RedisClient
  /** REQUEST_TTL. */
  ttlSeconds: number
  /** Milliseconds since 1970. */
  now?: () => number
  /** Logs invalid records, once per request. */
  log?: Log
  /** Gives the steps of a record that another program created without any. */
  catalog?: Pick<Catalog, 'find'>
  /** Counts the writes. */
  observer?: WriteObserver
  /** Makes a span of each write. */
  traceWrite?: TraceWrite
}

export function createRequestStore(options: Options): RequestStore {
  const { redis, ttlSeconds, now = Date.now, log, observer } = options
  /** The record once a code that came before this question is submitted, if there is one. */
  const withEarlyCode = (asked: StoredRecord): Promise<StoredRecord> =>
    submitEarlyCode({ redis, log, store }, asked)
  const records = createRecordStore({ ...options, now, onQuestion: withEarlyCode })
  const refuse = (rejection: Refused['rejection'], stored: StoredRecord | null): Refused => {
    observer?.onRefusal(rejection)
    return { ok: false, rejection, stored }
  }
  const rules = () => ({ now: now(), ttlSeconds })
  const onList = <T>(work: () => Promise<T>): Promise<T> =>
    retryWithoutWrongTypes(redis, { [redis.names.list]: 'list' }, work)

  const store: RequestStore = {
    read: (hash, atLeast) => withStorageErrors(() => records.read(hash, { atLeast })),

    async get(hash) {
      // A string that is no hash must not become the name of another key.
      if (!isRequestHash(hash)) throw new AppError('request_not_found')
      const stored = await withStorageErrors(() => records.read(hash))
      if (!stored) throw await store.whyMissing(hash)
      return stored
    },

    whyMissing: (hash) => whyMissing(redis, hash, now(), ttlSeconds),

    create: (record) => withStorageErrors(() => records.create(record)),

    async apply(hash, command, { reserve } = {}) {
      if (command.type === 'complete') checkResult(command.result)
      return withStorageErrors(async () => {
        const cached = records.cached(hash)
        let stored = cached ?? (await records.read(hash, { isWriter: true }))
        let isReserved = reserve === undefined
        for (let conflicts = 0; conflicts < MAX_CONFLICTS; conflicts++) {
          if (!stored) return refuse('request_not_found', null)
          const result = transition(stored.record, command, rules())
          if (!result.ok) {
            // A cached record may be outdated: only the stored one may reject.
            if (conflicts > 0 || !cached) return refuse(result.rejection, stored)
            stored = await records.read(hash, { atLeast: stored.record, isWriter: true })
            continue
          }
          if (!isReserved) await reserve?.(stored.record)
          isReserved = true
          const after = await records.commit(stored, result.record, codeOf(command, stored.record))
          if (after.written) {
            if (isUnreservedCode(command, stored.record))
              await countSent({ redis, log, now }, after.stored.record)
            const asks = command.type === 'require_otp'
            return { ok: true, stored: asks ? await withEarlyCode(after.stored) : after.stored }
          }
          stored = after.stored
        }
        throw new TooManyWriters()
      })
    },

    ...createHeartbeats({ redis, records, now }),

    countRecent: () => withStorageErrors(() => onList(() => redis.llen(redis.names.list))),

    listRecent: (count, from = 0) =>
      withStorageErrors(async () => {
        const listed = await onList(() => redis.lrange(redis.names.list, from, from + count - 1))
        return listed.filter(isRequestHash)
      }),
  }
  return store
}

/** The answer to hand over together with the change. */
const codeOf = (command: Command, { otp_data }: RequestRecord): string | undefined =>
  command.type === 'submit_otp' ? normalizeAnswer(otp_data ?? {}, command.otp) : undefined

/** Best effort: the prompt is written already. */
async function countSent(
  { redis, log, now }: { redis: RedisClient; log?: Log; now: () => number },
  { subject, hash, version }: RequestRecord,
): Promise<void> {
  if (subject === undefined) return
  await countCode(redis, subject, `${hash}:${version}`, now()).catch((error: unknown) =>
    log?.debug({ err: error, request: shortReference(hash) }, 'a code that was sent was not counted'),
  )
}

const asksForCode = (command: Command): boolean =>
  command.type === 'require_otp' && kindOf(command.otp) === 'code'

async function submitEarlyCode(
  { redis, log, store }: { redis: RedisClient; log?: Log; store: Pick<RequestStore, 'apply'> },
  asked: StoredRecord,
): Promise<StoredRecord> {
  const { record } = asked
  if (record.status !== 'otp_required' || kindOf(record.otp_data ?? {}) !== 'code') return asked
  try {
    const otp = await takeEarlyCode(redis, record)
    if (otp === null) return asked
    const command: Command = { type: 'submit_otp', otp, tryId: earlyTryId(record) }
    return (await store.apply(record.hash, command)).stored ?? asked
  } catch (error) {
    // The question stands: the submitter types the code again.
    log?.debug({ err: error, request: shortReference(record.hash) }, 'an early code was not submitted')
    return asked
  }
}

/** A bot that prompts again after it got a code has had another one sent, which was not reserved. */
const isUnreservedCode = (
  command: Command,
  { status, otp_data: answered, otp_limits }: RequestRecord,
): boolean =>
  asksForCode(command) &&
  status === 'processing' &&
  answered !== null &&
  otp_limits !== undefined &&
  !answered.resend_requested

/** @throws AppError `result_too_large`, `bot_bad_answer` */
export function checkResult(result: unknown): void {
  const inexact = findInexact(result)
  if (inexact !== null) throw new AppError('bot_bad_answer', { detail: describeInexact(inexact) })
  const json = toJson(result ?? null)
  if (json === null || isTooDeep(json)) {
    throw new AppError('result_too_large', {
      detail: `The result is nested deeper than ${MAX_STORED_DEPTH} levels, the most a request keeps.`,
    })
  }
  const bytes = Buffer.byteLength(json)
  if (bytes > MAX_RESULT_BYTES) {
    throw new AppError('result_too_large', {
      detail: `The result has ${bytes} bytes; ${MAX_RESULT_BYTES} (256 kB) is the most a request keeps.`,
    })
  }
}

/** Null when it is nested so deep that the stack does not take it. */
function toJson(value: unknown): string | null {
  let json: string | undefined
  try {
    json = JSON.stringify(value)
  } catch (cause) {
    if (cause instanceof RangeError) return null
    throw new AppError('bot_bad_answer', { detail: 'The result cannot be written as JSON.', cause })
  }
  if (json === undefined) throw new AppError('bot_bad_answer', { detail: 'The result is no JSON value.' })
  return json
}
