/**
 * One record in Redis: read, and written by compare-and-set. A record that another program has overwritten is never
 * returned as it is: `resolve` reconciles it with the last own write and commits the result first.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { nanoid } from 'nanoid'
import type { Catalog } from '../catalog/catalog.ts'
import { otpChange } from '../domain/otp-prompt.ts'
import { compare, isFinal, type RequestRecord, type StatePosition, toPublicView } from '../domain/record.ts'
import { changeOfTimeline } from '../domain/timeline.ts'
import { encodeNewRecord, encodeRecord, encodeTimelineChange, encodeView } from '../records/codec.ts'
import { latestKnown, reconcile } from '../records/reconcile.ts'
import type { RedisClient } from '../redis/connect.ts'
import { commitRequest } from '../redis/scripts.ts'
import type { Log } from '../runtime/log.ts'
import { createBatchedGet, type GetValue, mayBeInexact, type Value } from './batched-get.ts'
import { decodeCached, decodeOwn, parseForeign } from './decode-value.ts'
import { createFailedRequests, type FailedRequests } from './failed-requests.ts'
import { createInvalidFallback } from './invalid-values.ts'
import { storeImage } from './question-images.ts'
import {
  createRecordCache,
  type OwnStoredRecord,
  type RecordCache,
  type StoredRecord,
} from './record-cache.ts'
import { createRecordCreator } from './record-creator.ts'
import { releaseFinal } from './release-final.ts'
import { sealFields } from './sealed-fields.ts'
import { TooManyWriters } from './storage-errors.ts'
import { createUnknownStepLog } from './unknown-step-log.ts'
import type { WriteObserver } from './write-observer.ts'
import type { TraceWrite } from './write-traces.ts'

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
  /** Called once with a question that another program wrote. Resolves with the record that is stored afterwards. */
  onQuestion(asked: StoredRecord): Promise<StoredRecord>
  observer?: WriteObserver
  traceWrite?: TraceWrite
  cache: RecordCache
  getValue: GetValue
  failures: FailedRequests
  fallbackForInvalid: ReturnType<typeof createInvalidFallback>
  logUnknownStep: ReturnType<typeof createUnknownStepLog>
}

/** How slow a program's GET, change, SETEX may be until its stale write loses an own one. */
const BACKUP_TTL_MS = 60_000
/** How often a foreign write is reconciled while other foreign writes come before the commit. */
const MAX_REPAIRS = 20
/** Readers of a foreign write wait a random time up to this: the first one commits it, the others find it done. */
const MAX_ADOPTION_DELAY_MS = 30

type Options = Omit<Context, 'cache' | 'getValue' | 'failures' | 'fallbackForInvalid' | 'logUnknownStep'>

export function createRecordStore(options: Options): RecordStore {
  const { redis, now, log, observer, traceWrite } = options
  const context: Context = {
    ...options,
    cache: createRecordCache({ now }),
    getValue: createBatchedGet(redis),
    failures: createFailedRequests({ redis, now }),
    fallbackForInvalid: createInvalidFallback(options),
    logUnknownStep: createUnknownStepLog(log),
  }
  const create = createRecordCreator(options)
  async function createNew(record: RequestRecord): Promise<{ written: boolean }> {
    const raw = encodeNewRecord(sealed(redis, record))
    const written = await create({ record, raw })
    if (written) context.cache.set({ record, raw })
    return { written }
  }
  return {
    cached: context.cache.get,
    getValue: context.getValue,
    async create(record) {
      const { written } = await (traceWrite ? traceWrite(record, createNew) : createNew(record))
      if (written) observer?.onCommit(null, record)
      return written
    },
    read: (hash, options) => read(context, hash, options),
    commit: ({ raw, record }, next, otp) =>
      write(context, raw, next, { previous: record, atLeast: record, otp }),
  }
}

async function read(context: Context, hash: string, options: ReadOptions = {}): Promise<StoredRecord | null> {
  const { atLeast: shown = null, isWriter = false } = options
  const { redis, cache, getValue } = context
  // After a final state a client needs nothing more, and its result cannot be restored from a position.
  const atLeast = shown && !isFinal(shown.status) ? shown : null
  let raw = await getValue(redis.names.record(hash))
  let own = decodeCached(redis.box, cache, hash, raw)
  let backup: Value | null | undefined
  if (raw !== null && !isWriter && !own) {
    await sleep(Math.random() * MAX_ADOPTION_DELAY_MS)
    const keys = [redis.names.record(hash), redis.names.backup(hash)]
    ;[raw = null, backup] = await Promise.all(keys.map((key) => getValue(key)))
    own = decodeCached(redis.box, cache, hash, raw)
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

const sealed = <T extends { hash: string }>({ box }: RedisClient, fields: T): T =>
  box.seals ? sealFields(box, fields) : fields

interface WriteOptions extends Partial<ResolveOptions> {
  /** The record before the write, where there was one. */
  previous?: RequestRecord | null
  otp?: string
}

const write: typeof compareAndSet = (context, before, next, how) =>
  context.traceWrite
    ? context.traceWrite(next, (traced) => compareAndSet(context, before, traced, how))
    : compareAndSet(context, before, next, how)

/**
 * `revision` distinguishes this write from an identical one of another process, and identifies it when ioredis sends the
 * command again after a broken connection.
 */
async function compareAndSet(
  context: Context,
  before: Value,
  next: RequestRecord,
  { previous, otp, atLeast = null, repairs = 0 }: WriteOptions,
): Promise<CommitResult> {
  const { redis, cache, getValue, now, observer } = context
  const { hash } = next
  const kept = next.otp_data?.image ? await storeImage(redis, next) : next
  const record: RequestRecord = { ...kept, revision: nanoid(10) }
  const raw = encodeRecord(sealed(redis, record))
  const expiresAt = Date.parse(next.expires_at)
  const answer = await commitRequest(redis, {
    recordKey: redis.names.record(hash),
    otpKey: redis.names.otp(hash),
    backupKey: redis.names.backup(hash),
    timelineKey: redis.names.timeline(hash),
    deletedKeys: isFinal(next.status) ? [redis.names.earlyOtp(hash), redis.names.image(hash)] : [],
    before,
    value: raw,
    expiresAt,
    channels: redis.names.channelsOf(hash),
    view: encodeView(sealed(redis, toPublicView(record, now()))),
    backupUntil: Math.min(now() + BACKUP_TTL_MS, expiresAt),
    timelineEntry: encodeTimelineChange(changeOfTimeline(previous ?? null, record)),
    otp: otpChange(next, otp && redis.box.seal(redis.names.otp(hash), otp)),
  })
  if (answer === 1 || answer === raw) {
    cache.set({ record, raw })
    // As it was given: only over an earlier write it has a revision.
    observer?.onCommit(previous ?? null, next)
    if (isFinal(record.status)) await releaseFinal(context, record, previous ?? null)
    if (record.step !== previous?.step) context.logUnknownStep(record)
    return { written: true, stored: { record, raw } }
  }
  if (answer !== null) observer?.onConflict()
  const present = answer !== null && mayBeInexact(answer) ? await getValue(redis.names.record(hash)) : answer
  const stored =
    present === null
      ? cache.remove(hash)
      : await resolve(context, hash, present, decodeCached(redis.box, cache, hash, present), {
          atLeast,
          repairs,
        })
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
  const backup = backupRaw ? decodeOwn(redis.box, hash, backupRaw) : null
  const known = latestKnown([backup?.record, cache.get(hash)?.record])
  // Bytes that are not UTF-8 are shown as replacement characters.
  const present = own ?? parseForeign(redis.box, hash, raw, context.catalog)
  if (!present) return context.fallbackForInvalid(hash, raw, known)
  const next = reconcile(known, present, { now: now(), ttlSeconds }, atLeast)
  const after = await write(context, raw, next, { previous: known, atLeast, repairs: repairs + 1 })
  if (!after.written) return after.stored
  if (!own) context.observer?.onForeignWrite()
  const asks = next.status === 'otp_required' && known?.status !== 'otp_required'
  return asks ? context.onQuestion(after.stored) : after.stored
}
