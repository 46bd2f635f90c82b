/**
 * Stores new records. Those created in the same event-loop tick take one round trip; on a single Redis one script stores
 * record, list entry and first check, so that none of them is ever there without the others.
 */
import { Cluster } from 'ioredis'
import type { RequestRecord } from '../domain/record.ts'
import { createBatcher } from '../redis/batch.ts'
import type { RedisClient } from '../redis/connect.ts'
import { createRequests } from '../redis/scripts.ts'
import { retryWithoutWrongTypes } from '../redis/wrong-type.ts'
import { firstCheckOf } from './deadline-index.ts'

/** How many requests the list keeps. */
const LIST_LENGTH = 10_000
const MAX_BATCH = 250

interface NewRecord {
  record: RequestRecord
  raw: string
}

/** @returns for each record whether it was created; false when its hash had a record already */
export function createRecordCreator({
  redis,
  ttlSeconds,
}: {
  redis: RedisClient
  ttlSeconds: number
}): (created: NewRecord) => Promise<boolean> {
  const { list, deadlines } = redis.names

  const createByScript = (all: readonly NewRecord[]): Promise<boolean[]> =>
    createRequests(redis, {
      listKey: list,
      deadlinesKey: deadlines,
      listLength: LIST_LENGTH,
      listTtlSeconds: ttlSeconds,
      requests: all.map(({ record, raw }) => ({
        key: redis.names.record(record.hash),
        hash: record.hash,
        value: raw,
        expiresAt: Date.parse(record.expires_at),
        firstCheckAt: firstCheckOf(record),
      })),
    })

  /** The keys are in several slots, which one script must not name. */
  async function createInCluster(all: readonly NewRecord[]): Promise<boolean[]> {
    const [created] = await Promise.all([
      Promise.all(
        all.map(({ record: { hash, expires_at }, raw }) =>
          redis.set(redis.names.record(hash), raw, 'PXAT', Date.parse(expires_at), 'NX'),
        ),
      ),
      redis.zadd(deadlines, ...all.flatMap(({ record }) => [firstCheckOf(record), record.hash])),
    ])
    const hashes = all.filter((_, i) => created[i] !== null).map(({ record }) => record.hash)
    if (hashes.length > 0)
      await Promise.all([
        redis.lpush(list, ...hashes),
        redis.ltrim(list, 0, LIST_LENGTH - 1),
        redis.expire(list, ttlSeconds),
      ])
    return created.map((one) => one !== null)
  }

  return createBatcher(MAX_BATCH, (all: readonly NewRecord[]) =>
    retryWithoutWrongTypes(redis, { [list]: 'list', [deadlines]: 'zset' }, () =>
      redis instanceof Cluster ? createInCluster(all) : createByScript(all),
    ),
  )
}
