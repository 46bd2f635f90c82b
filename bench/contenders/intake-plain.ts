/** The plain way to take a request in: its record, its place in the list, its job, one after the other. */
import { type JobsOptions, Queue } from 'bullmq'
import { Redis } from 'ioredis'
import { type Batches, inBatches } from '../measure/batches.ts'
import { ready } from '../measure/meter.ts'
import { aRecord, TTL_SECONDS } from '../requests.ts'

const redis = new Redis(process.env.REDIS_URL as string, {
  enableAutoPipelining: process.env.AUTO_PIPELINING === 'true',
})
const queue = new Queue('requests', { connection: redis })

async function submit(options: JobsOptions): Promise<void> {
  const record = aRecord('pending')
  const { hash } = record
  await redis.setex(`local_request:${hash}`, TTL_SECONDS, JSON.stringify(record))
  await redis.lpush('local_requests_list', hash)
  await queue.add('request', { hash }, { jobId: hash, ...options })
}

ready({
  submit: (batches: Batches, options: JobsOptions = { removeOnComplete: true, removeOnFail: true }) =>
    inBatches(batches, () => submit(options)),
})
