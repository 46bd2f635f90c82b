/**
 * Requests in Redis: read, advance, write if nobody was faster. The rules live in `lifecycle.ts`; this file sees to it
 * that every write is one of theirs, on top of the latest record, told to everybody in the same step.
 *
 * A writer that passes the record it knows needs one round trip; on a conflict the script hands back the newer record
 * and the change is made to that one, so nothing is ever lost, whoever writes.
 */
import { nanoid } from 'nanoid'
import { AppError } from '../errors.ts'
import { adopt, parseForeignRecord } from '../foreign-record.ts'
import { advance, type Change, type Refusal } from '../lifecycle.ts'
import { publicView, type RequestRecord, sealRecord, sealView, unsealRecord } from '../record.ts'
import type { RedisClient } from './connect.ts'
import { keys } from './keys.ts'

/** A record and the exact value it was read as: what a compare-and-set compares. */
export interface Stored {
  record: RequestRecord
  raw: string
}

export type Outcome =
  | { ok: true; stored: Stored }
  /** `stored` is the record that refused; null when there is none. */
  | { ok: false; refusal: Refusal | 'request_not_found'; stored: Stored | null }

export interface ApplyOptions {
  /** What the caller read last: saves the reading. */
  known?: Stored | null
  /** A code to hand to the bot together with this change, in the same step. */
  otp?: string
}

export interface RequestStore {
  /** Null when there is none (any more). A foreign write is made one of ours before it is returned. */
  read(hash: string): Promise<Stored | null>
  /** False when the hash already has a record. */
  create(record: RequestRecord): Promise<boolean>
  /** @throws AppError `storage_unavailable`, `unreadable_record`, `result_too_large` */
  apply(hash: string, change: Change, options?: ApplyOptions): Promise<Outcome>
  /** Hashes of the latest requests, newest first; some may have expired. */
  latest(count: number): Promise<string[]>
}

type Committed = { written: true; stored: Stored } | { written: false; stored: Stored | null }

export const MAX_RESULT_BYTES = 256 * 1024
const LIST_LENGTH = 10_000
/** With this many writers faster in a row something else is wrong. */
const MAX_CONFLICTS = 1000

export function createRequestStore({
  redis,
  ttlSeconds,
  now = Date.now,
}: {
  redis: RedisClient
  /** The life of a record, REQUEST_TTL. */
  ttlSeconds: number
  /** Milliseconds since 1970. */
  now?: () => number
}): RequestStore {
  const rules = () => ({ now: now(), ttlSeconds })

  /**
   * Stores `next` if the record still is `before`. Tells what stands there afterwards, null when it is gone. The id
   * tells a write from the same one made by somebody else in the same millisecond, yet knows it again when the
   * connection broke after it and sent it twice.
   */
  async function commit(before: string, next: RequestRecord, otp?: string): Promise<Committed> {
    const record: RequestRecord = { ...next, write_id: nanoid(10) }
    const raw = sealRecord(record)
    const args = [
      keys.record(next.hash), keys.otpBox(next.hash), before, raw, Date.parse(next.expires_at),
      keys.channel(next.hash), sealView(publicView(next, now())), ...box(next, otp),
    ] // biome-ignore format: in the order of the script's header
    const answer = await redis.commitRequest(...args)
    if (answer === 1 || answer === raw) return { written: true, stored: { record, raw } }
    return { written: false, stored: answer === null ? null : await open(next.hash, answer) }
  }

  /** What is read becomes a record; what another program wrote is first written again as one of ours. */
  async function open(hash: string, raw: string): Promise<Stored | null> {
    const ours = unsealRecord(raw)
    if (ours) return { record: ours, raw }
    const foreign = parseForeignRecord(raw)
    if (!foreign) {
      throw new AppError('unreadable_record', {
        detail: 'Another program left something in this record that is no request.',
      })
    }
    return (await commit(raw, adopt({ ...foreign, hash }, rules()))).stored
  }

  async function read(hash: string): Promise<Stored | null> {
    const raw = await redis.get(keys.record(hash))
    return raw === null ? null : open(hash, raw)
  }

  return {
    read: (hash) => reachable(() => read(hash)),

    create: (record) =>
      reachable(async () => {
        const made = await redis.set(
          keys.record(record.hash),
          sealRecord(record),
          'PXAT',
          Date.parse(record.expires_at),
          'NX',
        )
        if (made === null) return false
        await Promise.all([
          redis.lpush(keys.list, record.hash),
          redis.ltrim(keys.list, 0, LIST_LENGTH - 1),
          redis.expire(keys.list, ttlSeconds),
        ])
        return true
      }),

    async apply(hash, change, options = {}) {
      if (change.type === 'complete') checkSize(change.result)
      return reachable(async () => {
        let stored = options.known ?? (await read(hash))
        for (let conflicts = 0; conflicts < MAX_CONFLICTS; conflicts++) {
          if (!stored) return { ok: false, refusal: 'request_not_found', stored: null }
          const advanced = advance(stored.record, change, rules())
          if (!advanced.ok) {
            // What the caller knew may be old: only the present record may refuse.
            if (conflicts > 0 || !options.known) return { ok: false, refusal: advanced.refusal, stored }
            stored = await read(hash)
            continue
          }
          const after = await commit(stored.raw, advanced.record, options.otp)
          if (after.written) return { ok: true, stored: after.stored }
          stored = after.stored
        }
        throw new AppError('storage_unavailable', { detail: 'Too many programs write this request at once.' })
      })
    },

    latest: (count) => reachable(() => redis.lrange(keys.list, 0, count - 1)),
  }
}

/** A code goes into the box with the change that hands it over; a new question or the end empties the box. */
function box(next: RequestRecord, otp: string | undefined): (string | number)[] {
  if (otp !== undefined && next.otp_data) return [otp, Date.parse(next.otp_data.expires_at)]
  return next.status === 'processing' ? [] : ['']
}

function checkSize(result: unknown): void {
  const bytes = Buffer.byteLength(JSON.stringify(result ?? null))
  if (bytes > MAX_RESULT_BYTES) {
    throw new AppError('result_too_large', {
      detail: `The result has ${bytes} bytes; ${MAX_RESULT_BYTES} (256 kB) is the most a request keeps.`,
    })
  }
}

/** Whatever Redis or the way to it does, callers see one error. */
async function reachable<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof AppError) throw error
    throw new AppError('storage_unavailable', { cause: error })
  }
}
