import type { RedisClient } from '../../core/redis/connect.ts'

const READ: Record<string, (key: string) => [string, ...string[]]> = {
  string: (key) => ['GET', key],
  hash: (key) => ['HGETALL', key],
  list: (key) => ['LRANGE', key, '0', '-1'],
  set: (key) => ['SMEMBERS', key],
  zset: (key) => ['ZRANGE', key, '0', '-1', 'WITHSCORES'],
  stream: (key) => ['XRANGE', key, '-', '+'],
}

/** All keys that match the pattern with their values, as one text, to search for secrets. */
export async function redisContents(redis: RedisClient, pattern = '*'): Promise<string> {
  const found: unknown[] = []
  for (const key of await redis.keys(pattern)) {
    const read = READ[await redis.type(key)]
    found.push(key, read ? await redis.call(...read(key)) : null)
  }
  return JSON.stringify(found)
}
