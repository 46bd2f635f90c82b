import type { RedisClient } from '../redis/connect.ts'

/** A message that is no view. */
export const HINT = '{}'

/** Publishes that a record may have changed: who watches the request reads it. */
export async function publishHint(redis: RedisClient, hash: string): Promise<void> {
  const { plain, sharded } = redis.names.channelsOf(hash)
  await Promise.all([plain && redis.publish(plain, HINT), sharded && redis.spublish(sharded, HINT)])
}
