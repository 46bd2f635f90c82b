/** The least that BullMQ can do to queue jobs that name their request. */
import { Queue } from 'bullmq'
import { Redis } from 'ioredis'
import { ready } from '../agent.ts'
import { addJobs } from './add-jobs.ts'

const connection = new Redis(process.env.REDIS_URL as string, { enableAutoPipelining: true })
const queue = new Queue('bare', { connection })

ready({
  add: (count: number) =>
    addJobs(count, (hash) =>
      queue.add('request', { hash }, { jobId: hash, removeOnComplete: true, removeOnFail: true }),
    ),
})
