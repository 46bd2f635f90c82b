/** A queue for one test, and a BullMQ worker that takes its jobs one by one. */
import { Worker } from 'bullmq'
import type { ServiceQueue } from '../../core/catalog/queue-definition.ts'
import type { RequestRecord } from '../../core/domain/record.ts'
import { hashOf } from '../../core/queue/bullmq.ts'
import { createQueues, type Queues } from '../../core/queue/queues.ts'
import type { RedisClient } from '../../core/redis/connect.ts'
import { cleanUp } from './clean-up.ts'
import { aRecord } from './record.ts'
import { quiet } from './redis.ts'

export interface TestQueue {
  readonly queue: ServiceQueue
  readonly queues: Queues
  /** Adds a request of this submitter. */
  add(submitter: string, fields?: Partial<RequestRecord>): Promise<RequestRecord>
  /** Takes and completes the next job. Resolves with its hash, or null when the queue is empty. */
  take(): Promise<string | null>
  /** Takes jobs until the queue is empty or the limit is reached. Resolves with their submitters, in order. */
  takeAll(limit?: number): Promise<(string | undefined)[]>
  /** A key of the queue. */
  key(name: string): string
}

let queueCount = 0

export function useQueue(
  redis: RedisClient,
  { now, ...limits }: Partial<ServiceQueue> & { now?: () => number } = {},
): TestQueue {
  const queue: ServiceQueue = { name: `test-${++queueCount}`, ...limits }
  const queues = createQueues({ redis, log: quiet, queueList: () => [queue], now })
  const worker = new Worker(queue.name, null, {
    connection: redis,
    prefix: redis.names.queue(queue.name),
    autorun: false,
  })
  cleanUp(() => worker.close())
  cleanUp(() => queues.stop())
  const submitters = new Map<string, string>()

  const take: TestQueue['take'] = async () => {
    const job = await worker.getNextJob('a-token', { block: false })
    if (!job) return null
    await job.moveToCompleted(null, 'a-token', false)
    return hashOf(job)
  }
  return {
    queue,
    queues,
    take,
    async add(submitter, fields = {}) {
      const record = aRecord({ submitter, ...fields })
      submitters.set(record.hash, submitter)
      await queues.add(record, { queue })
      return record
    },
    async takeAll(limit = Number.POSITIVE_INFINITY) {
      const taken: (string | undefined)[] = []
      while (taken.length < limit) {
        const hash = await take()
        if (hash === null) break
        taken.push(submitters.get(hash))
      }
      return taken
    },
    key: (name) => `${redis.names.queue(queue.name)}:${queue.name}:${name}`,
  }
}
