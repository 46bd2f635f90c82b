/** Finds which of many keys exist: one command per thousand keys if all of them do, which is the common case. */
import { Cluster } from 'ioredis'
import type { RedisClient } from './connect.ts'

const BATCH_SIZE = 1_000

/** @param isOneSlot whether a Cluster has all of them in one slot */
export async function findExistingKeys(
  redis: RedisClient,
  keys: readonly string[],
  { isOneSlot = false }: { isOneSlot?: boolean } = {},
): Promise<Set<string>> {
  const found = new Set<string>()
  for (let from = 0; from < keys.length; from += BATCH_SIZE) {
    const batch = keys.slice(from, from + BATCH_SIZE)
    const canUseOneCommand = isOneSlot || !(redis instanceof Cluster)
    const allExist = canUseOneCommand && (await redis.exists(...batch)) === batch.length
    const each = allExist ? null : await Promise.all(batch.map((key) => redis.exists(key)))
    for (const [i, key] of batch.entries()) if (!each || each[i] === 1) found.add(key)
  }
  return found
}
