/** Which of many keys are there: one command for a thousand of them where all are, which is the rule. */
import { Cluster } from 'ioredis'
import type { RedisClient } from './connect.ts'

const AT_ONCE = 1_000

/** @param isOneSlot whether a Cluster has all of them in one slot */
export async function existing(
  redis: RedisClient,
  keys: readonly string[],
  { isOneSlot = false }: { isOneSlot?: boolean } = {},
): Promise<Set<string>> {
  const found = new Set<string>()
  for (let from = 0; from < keys.length; from += AT_ONCE) {
    const some = keys.slice(from, from + AT_ONCE)
    const mayAskTogether = isOneSlot || !(redis instanceof Cluster)
    const areAll = mayAskTogether && (await redis.exists(...some)) === some.length
    const each = areAll ? null : await Promise.all(some.map((key) => redis.exists(key)))
    for (const [i, key] of some.entries()) if (!each || each[i] === 1) found.add(key)
  }
  return found
}
