/** As little as BullMQ can do to report progress: it is put into the job, whatever stood there. */
import { type Job, Queue } from 'bullmq'
import { Redis } from 'ioredis'
import { ready } from '../measure/meter.ts'
import { type Writing, writeAlong } from '../measure/writing.ts'
import { aView } from '../requests.ts'

const connection = new Redis(process.env.REDIS_URL as string, { maxRetriesPerRequest: null })
const queue = new Queue('progress', { connection })
const jobs = new Map<string, Job>()
const view = aView() as object

ready({
  async add(hashes: string[]) {
    for (const hash of hashes) jobs.set(hash, await queue.add('request', { hash }, { jobId: hash }))
  },
  run: (writing: Writing) =>
    writeAlong(writing, (hash, count) =>
      (jobs.get(hash) as Job).updateProgress({
        ...view,
        current_message: `message ${count}`,
        version: count,
        updated_at: new Date().toISOString(),
      }),
    ),
})
