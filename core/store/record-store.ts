/**
 * One record in Redis: read, and written by compare-and-set. A record that another program has overwritten is never
 * returned as it is: `resolve` reconciles it with the last own write and commits the result first.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { nanoid } from 'nanoid'
import type { Catalog } from '../catalog/catalog.ts'
import { AppError } from '../domain/errors.ts'
import { compare, isFinal, type RequestRecord, type StatePosition, toPublicView } from '../domain/record.ts'
import { encodeRecord, encodeView } from '../records/codec.ts'
import { describeInvalid, parseForeignRecord } from '../records/foreign-record.ts'
import { latestKnown, reconcile } from '../records/reconcile.ts'
import type { RedisClient } from '../redis/connect.ts'
import { createOnce } from '../redis/once.ts'
import { commitRequest } from '../redis/scripts.ts'
import type { Log } from '../runtime/log.ts'
import { createBatchedGet, type GetValue, mayBeInexact, type Value, WRONG_TYPE } from './batched-get.ts'
import { decodeCached, decodeOwn, textOf } from './decode-value.ts'
import { createFailedRequests, type FailedRequests } from './failed-requests.ts'
import { storeImage } from './question-images.ts'
import {
  createRecordCache,
  type OwnStoredRecord,
  type RecordCache,
  type StoredRecord,
} from './record-cache.ts'
import { createRecordCreator } from './record-creator.ts'
import { releaseFinal } from './release-final.ts'
import { TooManyWriters } from './storage-errors.ts'

type CommitResult = { written: true; stored: StoredRecord } | { written: false; stored: StoredRecord | null }

export interface ReadOptions {
  /** The position that a client was already shown: the returned record is newer or the same, after a fail-over too. */
  atLeast?: StatePosition | null
  /** The caller writes next, so a foreign write is reconciled immediately instead of after a short random delay. */
  isWriter?: boolean
}

export interface RecordStore {
  /** Stores the record, its list entry and the time of its first check. False when the hash already has a record. */
  create(record: RequestRecord): Promise<boolean>
  /** The last state this process read or wrote; null when it has none. Saves a read; may be outdated. */
  cached(hash: string): StoredRecord | null
  /** Null when there is none or it has expired. */
  read(hash: string, options?: ReadOptions): Promise<StoredRecord | null>
  /** Read together with the records of the same moment. */
  getValue: GetValue
  /** Stores `next` if `before` is still the stored value. Returns the record that is stored afterwards, null when it is missing. */
  commit(before: StoredRecord, next: RequestRecord, otp?: string): Promise<CommitResult>
}

interface Context {
  redis: RedisClient
  ttlSeconds: number
  now: () => number
  log?: Log
  /** Gives the steps of a foreign record without any. */
  catalog?: Pick<Catalog, 'find'>
  cache: RecordCache
  getValue: GetValue
  failures: FailedRequests
  isFirstInvalid: ReturnType<typeof createOnce>
  isFirstUnknownStep: ReturnType<typeof createOnce>
}

/** How slow a program's GET, change, SETEX may be until its stale write loses an own one. */
const BACKUP_TTL_MS = 60_000
/** How often a foreign write is reconciled while other foreign writes come before the commit. */
const MAX_REPAIRS = 20
/** Readers of a foreign write wait a random time up to this: the first one commits it, the others find it done. */
const MAX_ADOPTION_DELAY_MS = 30

type Options = Pick<Context, 'redis' | 'ttlSeconds' | 'now' | 'log' | 'catalog'>

export function createRecordStore(options: Options): RecordStore {
  const { redis, now } = options
  const context: Context = {
    ...options,
    cache: createRecordCache({ now }),
    getValue: createBatchedGet(redis),
    failures: createFailedRequests({ redis, now }),
    isFirstInvalid: createOnce(),
    isFirstUnknownStep: createOnce(),
  }
  const create = createRecordCreator(options)
  return {
    cached: context.cache.get,
    getValue: context.getValue,
    async create(record) {
      const raw = encodeRecord(record)
      const isCreated = await create({ record, raw })
      if (isCreated) context.cache.set({ record, raw })
      return isCreated
    },
    read: (hash, options) => read(context, hash, options),
    commit: (before, next, otp) =>
      write(context, before.raw, next, { previous: before.record, atLeast: before.record, otp }),
  }
}

async function read(context: Context, hash: string, options: ReadOptions = {}): Promise<StoredRecord | null> {
  const { atLeast: shown = null, isWriter = false } = options
  const { redis, cache, getValue } = context
  // After a final state a client needs nothing more, and its result cannot be restored from a position.
  const atLeast = shown && !isFinal(shown.status) ? shown : null
  let raw = await getValue(redis.names.record(hash))
  let own = decodeCached(cache, hash, raw)
  let backup: Value | null | undefined
  if (raw !== null && !isWriter && !own) {
    await sleep(Math.random() * MAX_ADOPTION_DELAY_MS)
    const keys = [redis.names.record(hash), redis.names.backup(hash)] as const
    ;[raw = null, backup] = await Promise.all(keys.map((key) => getValue(key)))
    own = decodeCached(cache, hash, raw)
  }
  if (raw === null) return cache.remove(hash)
  try {
    return await resolve(context, hash, raw, own, { atLeast, backup })
  } catch (error) {
    // A state that is not written yet is not shown yet. A write based on the cached record fails its compare-and-set.
    const last = error instanceof TooManyWriters ? cache.get(hash) : null
    if (!last || (atLeast && compare(atLeast, last.record) === 'regression')) throw error
    return last
  }
}

interface WriteOptions extends Partial<ResolveOptions> {
  /** The record before the write, where there was one. */
  previous?: RequestRecord | null
  otp?: string
}

/**
 * `revision` distinguishes this write from an identical one of another process, and identifies it when ioredis sends the
 * command again after a broken connection.
 */
async function write(
  context: Context,
  before: Value,
  next: RequestRecord,
  { previous, otp, atLeast = null, repairs = 0 }: WriteOptions,
): Promise<CommitResult> {
  const { redis, cache, getValue, now } = context
  const { hash } = next
  const kept = next.otp_data?.image === undefined ? next : await storeImage(redis, next)
  const record: RequestRecord = { ...kept, revision: nanoid(10) }
  const raw = encodeRecord(record)
  const expiresAt = Date.parse(next.expires_at)
  const answer = await commitRequest(redis, {
    recordKey: redis.names.record(hash),
    otpKey: redis.names.otp(hash),
    backupKey: redis.names.backup(hash),
    deletedKeys: isFinal(next.status) ? [redis.names.earlyOtp(hash), redis.names.image(hash)] : [],
    before,
    value: raw,
    expiresAt,
    channel: redis.names.channel(hash),
    view: encodeView(toPublicView(record, now())),
    backupUntil: Math.min(now() + BACKUP_TTL_MS, expiresAt),
    otp: otpChange(next, otp),
  })
  if (answer === 1 || answer === raw) {
    cache.set({ record, raw })
    if (isFinal(record.status)) await releaseFinal(context, record)
    if (record.step !== previous?.step) logUnknownStep(context, record)
    return { written: true, stored: { record, raw } }
  }
  const present = answer !== null && mayBeInexact(answer) ? await getValue(redis.names.record(hash)) : answer
  const stored =
    present === null
      ? cache.remove(hash)
      : await resolve(context, hash, present, decodeCached(cache, hash, present), { atLeast, repairs })
  return { written: false, stored }
}

interface ResolveOptions {
  atLeast: StatePosition | null
  repairs?: number
  /** Undefined when it has not been read. */
  backup?: Value | null
}

/** Returns an own, current record as it is. A foreign one, or one older than what is known, is repaired first. */
function resolve(
  context: Context,
  hash: string,
  raw: Value,
  own: OwnStoredRecord | null,
  options: ResolveOptions,
): StoredRecord | null | Promise<StoredRecord | null> {
  const { atLeast, repairs = 0 } = options
  const isRegression = own !== null && atLeast !== null && compare(atLeast, own.record) === 'regression'
  if (own && !isRegression && context.cache.setIfNewer(own)) return own
  if (repairs === MAX_REPAIRS) throw new TooManyWriters()
  return repair(context, hash, raw, own?.record ?? null, options)
}

/** Commits the present value, reconciled with the backup, the cached record and the position already shown. */
async function repair(
  context: Context,
  hash: string,
  raw: Value,
  own: RequestRecord | null,
  { atLeast, repairs = 0, backup: backupRead }: ResolveOptions,
): Promise<StoredRecord | null> {
  const { redis, cache, getValue, now, ttlSeconds } = context
  const backupRaw = own || backupRead !== undefined ? backupRead : await getValue(redis.names.backup(hash))
  const backup = backupRaw ? decodeOwn(hash, backupRaw) : null
  const known = latestKnown([backup?.record, cache.get(hash)?.record])
  // Bytes that are not UTF-8 are shown as replacement characters.
  const present = own ?? parseForeignRecord(textOf(raw), hash, context.catalog)
  if (!present) return fallbackForInvalid(context, hash, raw, known)
  const next = reconcile(known, present, { now: now(), ttlSeconds }, atLeast)
  return (await write(context, raw, next, { previous: known, atLeast, repairs: repairs + 1 })).stored
}

/** The last valid record, as long as the request would have lived. */
function fallbackForInvalid(
  { log, now, isFirstInvalid }: Context,
  hash: string,
  raw: Value,
  last: RequestRecord | null,
): StoredRecord | null {
  const kind = raw === WRONG_TYPE ? 'no string' : describeInvalid(textOf(raw))
  if (isFirstInvalid(hash)) log?.warn({ hash, kind }, 'another program stored an invalid record')
  if (!last)
    throw new AppError('unreadable_record', {
      detail: 'Another program stored a value here that is no request record.',
    })
  return now() < Date.parse(last.expires_at) ? { record: last, raw } : null
}

/** The step is shown as given; the log tells the author of the bot. */
function logUnknownStep({ log, isFirstUnknownStep }: Context, record: RequestRecord): void {
  const { hash, service_slug, step, steps } = record
  if (step === null || steps.some(({ id }) => id === step) || !isFirstUnknownStep(hash)) return
  // What is no identifier may be private data.
  const named = /^[a-z][a-z_.:-]{0,63}$/i.test(step) ? { step } : {}
  log?.warn({ hash, service: service_slug, ...named }, 'a bot reported a step that its service does not have')
}

/** A code is stored with the change that hands it over; a new prompt or the end deletes it. */
function otpChange({ status, otp_data }: RequestRecord, otp: string | undefined) {
  if (otp !== undefined && otp_data) return { code: otp, expiresAt: Date.parse(otp_data.expires_at) }
  return status === 'processing' ? undefined : null
}
