/** Whether requests come through a proxy that TRUST_PROXY does not name: recorded by servers, reported by `doctor`. */
import type { RedisClient } from '../redis/connect.ts'

const TTL_SECONDS = 3600

export async function recordUntrustedProxy(redis: RedisClient): Promise<void> {
  await redis.set(redis.names.untrustedProxy, '1', 'EX', TTL_SECONDS)
}

export const hasUntrustedProxy = async (redis: RedisClient): Promise<boolean> =>
  (await redis.exists(redis.names.untrustedProxy)) === 1
