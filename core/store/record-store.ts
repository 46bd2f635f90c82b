/**
 * One record in Redis, as it is and as it was left by others: read, and written by compare-and-set.
 *
 * What another program has put in place of a record is never taken as it is: see `open`.
 */
import { nanoid } from 'nanoid'
import { AppError } from '../domain/errors.ts'
import { isFinal, type RequestRecord, toPublicView } from '../domain/record.ts'
import { decodeRecord, encodeRecord, encodeView } from '../records/codec.ts'
import { describeInvalid, MAX_RECORD_CHARACTERS, parseForeignRecord } from '../records/foreign-record.ts'
import { isRegression, type KnownState, latestKnown, reconcile } from '../records/reconcile.ts'
import type { RedisClient } from '../redis/connect.ts'
import { createOnce } from '../redis/once.ts'
import type { Log } from '../runtime/log.ts'
import { createBatchedGet, mayBeInexact, type Value, WRONG_TYPE } from './batched-get.ts'
import { createFailures } from './failed-requests.ts'
import { createRecordCache, type StoredRecord } from './record-cache.ts'
import { releaseUnused } from './subject-limits.ts'
import { releasePlaces } from './unfinished-limits.ts'

type CommitResult = { written: true; stored: StoredRecord } | { written: false; stored: StoredRecord | null }

export interface RecordStore {
  /** False when the hash already has a record. */
  create(record: RequestRecord): Promise<boolean>
  /** What this process read or wrote last, to save the reading; null when it remembers nothing. */
  cached(hash: string): StoredRecord | null
  /** Null when there is none (any more), or it is another installation's. What is read never lies behind what is `known`. */
  read(hash: string, known: KnownState | null): Promise<StoredRecord | null>
  /** Stores `next` if what is stored is `before`; tells what stands there afterwards, null when it is gone. */
  commit(before: StoredRecord, next: RequestRecord, otp?: string): Promise<CommitResult>
}

/** A plain GET, change, SETEX takes milliseconds; a bot that stops to think in between is given this long. */
const BACKUP_TTL_MS = 60_000
/** How often a foreign write is made one of ours, each time in vain because another one came in between. */
const MAX_MENDS = 20

export function createRecords({
  redis,
  ttlSeconds,
  now,
  log,
}: {
  redis: RedisClient
  ttlSeconds: number
  now: () => number
  log?: Log
}): RecordStore {
  const lastGood = createRecordCache({ now })
  const readValue = createBatchedGet(redis)
  const failures = createFailures({ redis, now })
  const { installation } = redis.names
  const isFirstNonsense = createOnce()
  const isFirstUnknownStep = createOnce()

  /**
   * The id tells a write from the same one made by somebody else in the same millisecond, yet knows it again when the
   * connection broke after it and sent it twice.
   */
  async function write(
    before: Value,
    next: RequestRecord,
    known: KnownState | null,
    { otp, mends = 0 }: { otp?: string; mends?: number } = {},
  ): Promise<CommitResult> {
    const record: RequestRecord = { ...next, revision: nanoid(10) }
    const raw = encodeRecord(record)
    const args = [
      redis.names.record(next.hash), redis.names.otp(next.hash), redis.names.backup(next.hash),
      before, raw, Date.parse(next.expires_at), redis.names.channel(next.hash), encodeView(toPublicView(next, now())),
      isBackedUp(next, otp) || mends > 0 ? 1 : 0, backupUntil(next), ...otpArguments(next, otp),
    ] // biome-ignore format: in the order of the script's header
    const answer = await redis.commitRequest(...args)
    if (answer === 1 || answer === raw) {
      lastGood.set({ record, raw })
      if (isFinal(record.status)) await settle(record)
      if (record.step !== known?.step) tellUnknownStep(record)
      return { written: true, stored: { record, raw } }
    }
    const present =
      answer !== null && mayBeInexact(answer) ? await readValue(redis.names.record(next.hash)) : answer
    return {
      written: false,
      stored: present === null ? evict(next.hash) : await resolve(next.hash, present, known, mends),
    }
  }

  /**
   * The end stands in the record already. A failure that could not be kept now a rescuer keeps; places that could not be
   * freed are free when the record's life would have been over.
   */
  async function settle(record: RequestRecord): Promise<void> {
    await Promise.all([
      failures.add(record),
      releasePlaces(redis, record),
      releaseUnused(redis, record),
    ]).catch((error: unknown) =>
      log?.debug({ err: error, hash: record.hash }, 'the end of a request was not settled'),
    )
  }

  /** It is shown as given; whoever wrote the bot should hear of it. */
  function tellUnknownStep({ hash, service_slug, step, steps }: RequestRecord): void {
    if (step === null || steps.some(({ id }) => id === step) || !isFirstUnknownStep(hash)) return
    // A bot may have put anything there: what is no name may be somebody's data.
    const named = /^[a-z][a-z_.:-]{0,63}$/i.test(step) ? { step } : {}
    log?.warn(
      { hash, service: service_slug, ...named },
      'a bot reported a step that its service does not have',
    )
  }

  const backupUntil = (next: RequestRecord): number =>
    Math.min(now() + BACKUP_TTL_MS, Date.parse(next.expires_at))

  /**
   * What was read becomes a record. What another program wrote, and what lies behind what we know, is first written
   * again, as the next of ours.
   *
   * @param mends how often it was written again in vain
   */
  function resolve(
    hash: string,
    raw: Value,
    known: KnownState | null,
    mends = 0,
  ): StoredRecord | null | Promise<StoredRecord | null> {
    const ours = unseal(hash, raw)
    if (ours && ours.record.installation !== installation) return null
    if (ours && !(known && isRegression(known, ours.record)) && lastGood.setIfNewer(ours)) return ours
    if (mends === MAX_MENDS) throw tooManyWriters()
    return repair(hash, raw, ours?.record ?? null, known, mends)
  }

  async function repair(
    hash: string,
    raw: Value,
    ours: RequestRecord | null,
    known: KnownState | null,
    mends: number,
  ): Promise<StoredRecord | null> {
    const guard = ours ? null : unseal(hash, (await readValue(redis.names.backup(hash))) ?? '')
    const all = [guard?.record, lastGood.get(hash)?.record, known]
    // Bytes that are no UTF-8 are shown as replacement characters.
    const theirs = ours ?? parseForeignRecord(textOf(raw), hash)
    if (!theirs) return fallbackForInvalid(hash, raw, latestKnown(all))
    if (theirs.installation !== installation) return null
    const next = reconcile(all, theirs, { now: now(), ttlSeconds })
    return (await write(raw, next, latestKnown(all) ?? known, { mends: mends + 1 })).stored
  }

  /** The last good record, as long as the request would have lived. */
  function fallbackForInvalid(hash: string, raw: Value, last: RequestRecord | null): StoredRecord | null {
    const kind = raw === WRONG_TYPE ? 'no string' : describeInvalid(textOf(raw))
    if (isFirstNonsense(hash)) log?.warn({ hash, kind }, 'another program left nonsense in a record')
    if (!last)
      throw new AppError('unreadable_record', {
        detail: 'Another program left something in this record that is no request.',
      })
    return now() < Date.parse(last.expires_at) ? { record: last, raw } : null
  }

  function evict(hash: string): null {
    lastGood.remove(hash)
    return null
  }

  async function read(hash: string, known: KnownState | null): Promise<StoredRecord | null> {
    const raw = await readValue(redis.names.record(hash))
    if (raw === null) return evict(hash)
    try {
      return await resolve(hash, raw, known)
    } catch (error) {
      // What is not written yet is not shown yet. A change to the last good record is refused: it is not what is stored.
      const last = error instanceof TooManyWriters ? lastGood.get(hash) : null
      if (!last || (known && isRegression(known, last.record))) throw error
      return last
    }
  }

  async function create(created: RequestRecord): Promise<boolean> {
    const record = installation === undefined ? created : { ...created, installation }
    const raw = encodeRecord(record)
    const made = await redis.set(
      redis.names.record(record.hash),
      raw,
      'PXAT',
      Date.parse(record.expires_at),
      'NX',
    )
    if (made !== null) lastGood.set({ record, raw })
    return made !== null
  }

  return {
    cached: lastGood.get,
    create,
    read,
    commit: (before, next, otp) => write(before.raw, next, before.record, { otp }),
  }
}

/** To decode megabytes that are no UTF-8 takes long, and no record is that long: what follows is left out. */
const textOf = (raw: Value): string =>
  typeof raw === 'string' ? raw : raw.subarray(0, MAX_RECORD_CHARACTERS + 1).toString()

/** Null when it is not as one of ours wrote it: also a record that another program has copied to another key. */
function unseal(hash: string, raw: Value): { record: RequestRecord; raw: string } | null {
  const record = typeof raw === 'string' ? decodeRecord(raw) : null
  return record?.hash === hash ? { record, raw: raw as string } : null
}

/**
 * Plain progress is not backed up: the next report replaces it. Once a foreign write was seen, every write is, because the
 * script refreshes a backup that exists.
 */
const isBackedUp = (next: RequestRecord, otp: string | undefined): boolean =>
  next.status !== 'processing' || otp !== undefined

class TooManyWriters extends AppError {
  constructor() {
    super('storage_unavailable', { detail: 'Too many programs write this request at once.' })
  }
}
export const tooManyWriters = (): AppError => new TooManyWriters()

/** A code goes into the box with the change that hands it over; a new question or the end empties the box. */
function otpArguments(next: RequestRecord, otp: string | undefined): (string | number)[] {
  if (otp !== undefined && next.otp_data) return [otp, Date.parse(next.otp_data.expires_at)]
  return next.status === 'processing' ? [] : ['']
}
