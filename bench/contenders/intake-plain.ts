/** The plain way to take a request in: its record, its place in the list, its job, one after the other. */
import { once } from 'node:events'
import { type Job, type JobsOptions, Queue, Worker } from 'bullmq'
import { Redis } from 'ioredis'
import { type Batches, inBatches } from '../measure/batches.ts'
import { ready } from '../measure/meter.ts'
import { aRecord, RESULT, TTL_SECONDS } from '../requests.ts'

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

async function finish(job: Job<{ hash: string }>): Promise<void> {
  const key = `local_request:${job.data.hash}`
  const record = JSON.parse((await redis.get(key)) as string)
  const now = new Date().toISOString()
  Object.assign(record, { status: 'completed', progress: 100, result_data: RESULT, completed_at: now })
  const json = JSON.stringify(record)
  await redis.setex(key, TTL_SECONDS, json)
  await redis.publish(`local_request_updates:${job.data.hash}`, json)
}

ready({
  submit: (batches: Batches, options: JobsOptions = { removeOnComplete: true, removeOnFail: true }) =>
    inBatches(batches, () => submit(options)),
  /** Brings all to their end that wait. */
  async finish() {
    const connection = redis.duplicate({ maxRetriesPerRequest: null })
    const worker = new Worker('requests', finish, { connection, concurrency: 50 })
    await once(worker, 'drained')
    await worker.close()
  },
})
