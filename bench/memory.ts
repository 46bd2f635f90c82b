/** Memory of Redis that 10,000 pending requests take. It is the same each time, so it is measured once. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Redis } from 'ioredis'
import { type MeasuredServer, startContenderServer, startHalfway } from './processes.ts'
import type { BenchRedis } from './redis.ts'
import type { Row } from './report.ts'
import { submitBatches, UNLIMITED } from './submit.ts'

const REQUESTS = 10_000
const FREED_AFTER_MS = 200
const LIMITS = ['halfway:unfinished:*', 'halfway:subject:*', 'halfway:rate:*']

/** Of Redis, in bytes. */
export async function usedMemory(client: BenchRedis['client']): Promise<number> {
  await sleep(FREED_AFTER_MS)
  return Number(/^used_memory:(\d+)/m.exec(await client.info('memory'))?.[1])
}

export async function memory(redis: BenchRedis): Promise<Row[]> {
  const { client } = redis
  const used = (): Promise<number> => usedMemory(client)
  /** In all, and without the sets that enforce limits, which the way by hand does not have. */
  const megabytes = async (
    start: () => Promise<MeasuredServer>,
  ): Promise<[all: number, withoutLimits: number]> => {
    await client.flushall()
    const before = await used()
    const server = await start()
    await submitBatches(server.url, REQUESTS)
    if ((await client.llen(client.names.list)) !== REQUESTS) throw new Error('requests were refused')
    // Connections and scripts are not counted.
    await server.stop()
    await client.script('FLUSH')
    const all = (await used()) - before
    for (const pattern of LIMITS)
      for await (const keys of (client as Redis).scanStream({ match: pattern, count: 1000 }))
        if (keys.length > 0) await client.unlink(...keys)
    return [all / 1_000_000, ((await used()) - before) / 1_000_000]
  }
  const env = { REDIS_URL: redis.url }
  const [all, withoutLimits] = await megabytes(() => startHalfway({ ...env, ...UNLIMITED }))
  const [byHand] = await megabytes(() => startContenderServer('submit-by-hand', env))
  const row = (what: string, halfway: number): Row => ({
    what,
    unit: 'MB',
    halfway: [halfway],
    beside: 'by hand',
    other: [byHand],
  })
  return [
    { ...row('Redis memory of 10,000 pending requests', withoutLimits), target: { max: 1.15 } },
    row('with the sets that enforce limits', all),
  ]
}
