/** A worker as one writes it by hand: marks the request, calls the bot, writes down what it said. */
import { Worker } from 'bullmq'
import { Redis } from 'ioredis'
import { ready } from '../measure/meter.ts'
import { TTL_SECONDS } from '../requests.ts'

const redis = new Redis(process.env.REDIS_URL as string, { maxRetriesPerRequest: null })
const botUrl = process.env.LOCAL_API_URL

async function write(record: Record<string, unknown>, change: Record<string, unknown>): Promise<void> {
  Object.assign(record, change, { updated_at: new Date().toISOString() })
  const json = JSON.stringify(record)
  await redis.setex(`local_request:${record.hash}`, TTL_SECONDS, json)
  await redis.publish(`local_request_updates:${record.hash}`, json)
}

const worker = new Worker<{ hash: string }>(
  'requests',
  async (job) => {
    const record = JSON.parse((await redis.get(`local_request:${job.data.hash}`)) as string)
    await write(record, { status: 'processing', started_at: new Date().toISOString() })
    const response = await fetch(`${botUrl}/api/services/${record.service_slug}`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        authorization: `Bearer ${process.env.LOCAL_API_TOKEN}`,
      },
      body: JSON.stringify({ ...record.request_data, requestHash: record.hash }),
    })
    const answer = (await response.json()) as { status: string; data: unknown }
    if (answer.status !== 'success') throw new Error('the bot has failed')
    await write(record, {
      status: 'completed',
      progress: 100,
      result_data: answer.data,
      completed_at: new Date().toISOString(),
    })
  },
  { connection: redis, concurrency: Number(process.env.WORKER_CONCURRENCY) },
)
await worker.waitUntilReady()
ready()
