/** As little as BullMQ can do to work on jobs: nothing. */
import { Worker } from 'bullmq'
import { Redis } from 'ioredis'
import { ready } from '../measure/meter.ts'

const connection = new Redis(process.env.REDIS_URL as string, { maxRetriesPerRequest: null })
const worker = new Worker('bare', async () => {}, {
  connection,
  concurrency: Number(process.env.WORKER_CONCURRENCY),
})
await worker.waitUntilReady()
ready()
