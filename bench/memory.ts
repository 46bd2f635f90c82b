/** Memory of Redis that 10,000 pending requests take. It is the same each time, so it is measured once. */
import { setTimeout as sleep } from 'node:timers/promises'
import { type MeasuredServer, startContenderServer, startHalfway } from './processes.ts'
import type { BenchRedis } from './redis.ts'
import type { Row } from './report.ts'
import { submitBatches, UNLIMITED } from './submit.ts'

const REQUESTS = 10_000
const FREED_AFTER_MS = 200

export async function memory(redis: BenchRedis): Promise<Row[]> {
  const { client } = redis
  const used = async (): Promise<number> => {
    await sleep(FREED_AFTER_MS)
    return Number(/^used_memory:(\d+)/m.exec(await client.info('memory'))?.[1])
  }
  const megabytes = async (start: () => Promise<MeasuredServer>): Promise<number> => {
    await client.flushall()
    const before = await used()
    const server = await start()
    await submitBatches(server.url, REQUESTS)
    if ((await client.llen(client.names.list)) !== REQUESTS) throw new Error('requests were refused')
    // Connections and scripts are not counted.
    await server.stop()
    await client.script('FLUSH')
    return ((await used()) - before) / 1_000_000
  }
  const env = { REDIS_URL: redis.url }
  const halfway = await megabytes(() => startHalfway({ ...env, ...UNLIMITED }))
  const byHand = await megabytes(() => startContenderServer('submit-by-hand', env))
  return [
    {
      what: 'Redis memory of 10,000 pending requests',
      unit: 'MB',
      halfway: [halfway],
      beside: 'by hand',
      other: [byHand],
      target: { max: 1.15 },
    },
  ]
}
