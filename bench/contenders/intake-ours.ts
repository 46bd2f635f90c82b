/** Takes requests in as our server does, without HTTP before it: on its kind of connection, made of the same parts. */

import { createEnqueueRequest } from '../../core/actions/enqueue-request.ts'
import type { Command } from '../../core/domain/command.ts'
import { createRequestHash } from '../../core/domain/request-id.ts'
import { createQueues } from '../../core/queue/queues.ts'
import { startClock } from '../../core/redis/clock.ts'
import { openRedis } from '../../core/redis/connect.ts'
import { createLog } from '../../core/runtime/log.ts'
import { createDeadlines } from '../../core/store/deadline-index.ts'
import { createRequestStore } from '../../core/store/request-store.ts'
import { createSubjects } from '../../core/store/subject-limits.ts'
import { type Batches, inBatches } from '../measure/batches.ts'
import { ready } from '../measure/meter.ts'
import { aRecord, RESULT, SERVICE, TTL_SECONDS } from '../requests.ts'

const SUBMITTER = 'aRZ5dwY8ffNb'

const log = createLog('bench', 'warn')
const connections = await openRedis({ kind: 'single', url: process.env.REDIS_URL as string }, log)
const redis = await connections.connect('fail-fast')
const { now } = await startClock({ redis, log })
const store = createRequestStore({ redis, ttlSeconds: TTL_SECONDS, now, log })
const queues = createQueues({ redis, log, now })
const deadlines = createDeadlines({ redis })
const subjects = createSubjects({ redis, limits: { codesPerHour: 5, wrongCodesPerHour: 10 }, now })
const intake = createEnqueueRequest({ store, queues, subjects })

/** What workers and rescuer leave of a request, without a bot. */
async function finish(hash: string): Promise<void> {
  await apply(hash, { type: 'start', attempt: 1, limitSeconds: 180 })
  await apply(hash, { type: 'complete', attempt: 1, result: RESULT })
  await queues.remove(hash, SERVICE.queue)
  await deadlines.remove(hash)
}

async function apply(hash: string, change: Command): Promise<void> {
  const outcome = await store.apply(hash, change)
  if (!outcome.ok) throw new Error(outcome.refusal)
}

ready({
  submit: (batches: Batches) => inBatches(batches, () => intake(aRecord('pending', now()), SERVICE)),
  add: (batches: Batches) =>
    inBatches(batches, () =>
      queues.add({ hash: createRequestHash(now()), status: 'pending', submitter: SUBMITTER }, SERVICE),
    ),
  /** Brings the latest ones to their end. */
  async finish(batches: Batches & { count: number }) {
    const hashes = await store.listRecent(batches.count)
    return inBatches(batches, () => finish(hashes.pop() as string))
  },
})
