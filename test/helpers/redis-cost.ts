/** What a call costs Redis: commands, those of scripts included, and the bytes of its answers. Needs a real Redis. */
import type { RedisClient } from '../../core/redis/connect.ts'

export interface RedisCost {
  commands: number
  bytes: number
}

const RUNS = 5

async function read(redis: RedisClient): Promise<RedisCost> {
  const [commands, stats] = await Promise.all([redis.info('commandstats'), redis.info('stats')])
  const calls = [...commands.matchAll(/^cmdstat_(.+):calls=(\d+)/gm)]
    .filter(([, name]) => name !== 'info' && name !== 'ping')
    .map(([, , count]) => Number(count))
  return {
    commands: calls.reduce((sum, count) => sum + count, 0),
    bytes: Number(/^total_net_output_bytes:(\d+)/m.exec(stats)?.[1]),
  }
}

/** The least of several runs: timers of the process add some by chance. */
export async function redisCost(redis: RedisClient, call: () => Promise<unknown>): Promise<RedisCost> {
  const costs: RedisCost[] = []
  for (let i = 0; i < RUNS; i++) {
    const before = await read(redis)
    await call()
    const after = await read(redis)
    costs.push({ commands: after.commands - before.commands, bytes: after.bytes - before.bytes })
  }
  const least = (of: (cost: RedisCost) => number): number => Math.min(...costs.map(of))
  return { commands: least(({ commands }) => commands), bytes: least(({ bytes }) => bytes) }
}
