/** Whether a proxy stands in front that the settings do not trust: noticed by servers, told by `doctor`. */
import type { RedisClient } from '../redis/connect.ts'

const REMEMBERED_SECONDS = 3600

export async function rememberUntrustedProxy(redis: RedisClient): Promise<void> {
  await redis.set(redis.names.untrustedProxy, '1', 'EX', REMEMBERED_SECONDS)
}

export const hasUntrustedProxy = async (redis: RedisClient): Promise<boolean> =>
  (await redis.exists(redis.names.untrustedProxy)) === 1
