/** A worker by hand: reads the record, calls the bot, and publishes each state with the record it writes. */
import { Worker } from 'bullmq'
import { Redis } from 'ioredis'
import { ready } from '../agent.ts'
import { TTL_SECONDS } from '../requests.ts'

const { REDIS_URL = '', BOT_URL = '' } = process.env
const redis = new Redis(REDIS_URL)

async function write(record: { hash: string }): Promise<void> {
  const key = `local_request:${record.hash}`
  await redis.setex(key, TTL_SECONDS, JSON.stringify(record))
  await redis.publish(key, JSON.stringify(record))
}

new Worker(
  'requests',
  async ({ data: { hash } }) => {
    const record = JSON.parse((await redis.get(`local_request:${hash}`)) as string)
    await write({ ...record, status: 'processing', version: record.version + 1 })
    const response = await fetch(`${BOT_URL}/api/services/${record.service_slug}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'idempotency-key': hash },
      body: JSON.stringify({ ...record.request_data, requestHash: hash }),
    })
    const { data } = (await response.json()) as { data: unknown }
    await write({ ...record, status: 'completed', version: record.version + 2, result_data: data })
  },
  {
    connection: new Redis(REDIS_URL, { maxRetriesPerRequest: null }),
    concurrency: Number(process.env.WORKER_CONCURRENCY),
    removeOnComplete: { count: 0 },
  },
)
ready()
