/** Halfway's queues, which assign each job its round of the fair schedule. */
import { createQueues } from '../../core/queue/queues.ts'
import { openRedis } from '../../core/redis/connect.ts'
import { createLog } from '../../core/runtime/log.ts'
import { ready } from '../agent.ts'
import { SERVICE } from '../requests.ts'
import { addJobs } from './add-jobs.ts'

const log = createLog('bench', 'warn')
const connections = await openRedis({ kind: 'single', url: process.env.REDIS_URL as string }, log)
const queues = createQueues({
  redis: await connections.connect('fail-fast'),
  log,
  queueList: () => [SERVICE.queue],
  now: Date.now,
})

ready({
  add: (count: number) =>
    addJobs(count, (hash) => queues.add({ hash, status: 'pending', submitter: 'aRZ5dwY8ffNb' }, SERVICE)),
})
