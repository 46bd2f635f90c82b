/** As little as BullMQ can do to queue jobs that say which request they are for. */
import { Queue } from 'bullmq'
import { Redis } from 'ioredis'
import { createRequestHash } from '../../core/domain/request-id.ts'
import { type Batches, inBatches } from '../measure/batches.ts'
import { ready } from '../measure/meter.ts'

const connection = new Redis(process.env.REDIS_URL as string, { enableAutoPipelining: true })
const queue = new Queue('bare', { connection })

ready({
  add: (batches: Batches) =>
    inBatches(batches, () => {
      const hash = createRequestHash(Date.now())
      return queue.add('request', { hash }, { jobId: hash, removeOnComplete: true, removeOnFail: true })
    }),
})
