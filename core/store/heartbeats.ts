/** When the bots of running requests were last known to be alive: beside the record, which keeps its version. */
import { type IsoTime, toIso } from '../domain/iso-time.ts'
import type { RequestRecord } from '../domain/record.ts'
import { isRequestHash } from '../domain/request-id.ts'
import type { RedisClient } from '../redis/connect.ts'
import type { RecordStore } from './record-store.ts'
import { withStorageErrors } from './storage-errors.ts'

export interface Heartbeats {
  /** Null unless the request runs. Costs no round trip of its own beside a read of the record at the same moment. */
  lastHeartbeat(hash: string): Promise<IsoTime | null>
  /** Expires with the record. */
  heartbeat(record: Pick<RequestRecord, 'hash' | 'expires_at'>): Promise<void>
}

export function createHeartbeats({
  redis,
  records,
  now,
}: {
  redis: RedisClient
  records: Pick<RecordStore, 'cached' | 'getValue'>
  now: () => number
}): Heartbeats {
  return {
    async lastHeartbeat(hash) {
      if (!isRequestHash(hash)) return null
      const last = records.cached(hash)
      if (last && last.record.status !== 'processing') return null
      const stored = await withStorageErrors(() => records.getValue(redis.names.heartbeat(hash), true))
      const at = Number(stored ?? Number.NaN)
      return Number.isSafeInteger(at) && at > 0 && at < MAX_MS ? toIso(at) : null
    },

    heartbeat: ({ hash, expires_at }) =>
      withStorageErrors(async () => {
        await redis.set(redis.names.heartbeat(hash), String(now()), 'PXAT', Date.parse(expires_at))
      }),
  }
}

/** The last time that a Date can be. */
const MAX_MS = 8.64e15
