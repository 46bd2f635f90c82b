/** Takes requests in as our server does, without HTTP before it: on its kind of connection, made of the same parts. */
import { createHash } from '../../core/hash.ts'
import { createLog } from '../../core/log.ts'
import { startClock } from '../../core/redis/clock.ts'
import { openRedis } from '../../core/redis/connect.ts'
import { createDeadlines } from '../../core/redis/deadlines.ts'
import { createIntake } from '../../core/redis/intake.ts'
import { createQueues } from '../../core/redis/queues.ts'
import { createRequestStore } from '../../core/redis/request-store.ts'
import { type Batches, inBatches } from '../measure/batches.ts'
import { ready } from '../measure/meter.ts'
import { aRecord, SERVICE, TTL_SECONDS } from '../requests.ts'

const SUBMITTER = 'aRZ5dwY8ffNb'

const log = createLog('bench', 'warn')
const connections = await openRedis({ kind: 'single', url: process.env.REDIS_URL as string }, log)
const redis = await connections.connect('fail-fast')
const { now } = await startClock({ redis, log })
const store = createRequestStore({ redis, ttlSeconds: TTL_SECONDS, now, log })
const queues = createQueues({ redis, log, now })
const intake = createIntake({ store, queues, deadlines: createDeadlines({ redis }) })

ready({
  submit: (batches: Batches) => inBatches(batches, () => intake(aRecord('pending', now()), SERVICE)),
  add: (batches: Batches) =>
    inBatches(batches, () =>
      queues.add({ hash: createHash(now()), status: 'pending', submitter: SUBMITTER }, SERVICE),
    ),
})
