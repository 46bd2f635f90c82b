/** The parts of Halfway that commands use, with their own connections. */

import { createEnqueueRequest, type EnqueueRequest } from '../core/actions/enqueue-request.ts'
import { createRequestActions, type RequestActions } from '../core/actions/request-actions.ts'
import { queuesOf } from '../core/catalog/catalog.ts'
import { createQueueStats, type QueueStats } from '../core/queue/queue-stats.ts'
import { createQueues, type Queues } from '../core/queue/queues.ts'
import { startClock } from '../core/redis/clock.ts'
import { openRedis, type RedisClient, type RedisConnections } from '../core/redis/connect.ts'
import type { Config } from '../core/runtime/config.ts'
import { createLog } from '../core/runtime/log.ts'
import { createDeadlineIndex, type DeadlineIndex } from '../core/store/deadline-index.ts'
import { createFailedRequests, type FailedRequests } from '../core/store/failed-requests.ts'
import { type LiveCatalog, openLiveCatalog } from '../core/store/live-catalog.ts'
import { createRequestStore, type RequestStore } from '../core/store/request-store.ts'
import { createServiceRegistry, type ServiceRegistry } from '../core/store/service-registry.ts'
import { createSubjectLimiter } from '../core/store/subject-limits.ts'

export interface Installation {
  config: Config
  redis: RedisClient
  /** The address of Redis, without its password. */
  address: string
  /** The services as announced; followed while the command runs. */
  catalog: LiveCatalog
  registry: ServiceRegistry
  store: RequestStore
  requests: RequestActions
  deadlineIndex: DeadlineIndex
  failures: FailedRequests
  enqueue: EnqueueRequest
  queues: Queues
  queueStats: QueueStats
  /** Milliseconds since 1970, by the clock of the records. */
  now: () => number
  /** Opens a connection for subscriptions. */
  subscriber(): Promise<RedisClient>
  stop(): Promise<void>
}

/** Longer than the server's: a command blocks nothing else. */
const COMMAND_TIMEOUT_MS = 10_000
/** Commands print only their own output. */
export const quiet = createLog('cli', 'silent')

/** @throws StartupError when Redis does not answer */
export async function openInstallation(config: Config): Promise<Installation> {
  const connections = await openRedis(config.redis, quiet, {
    ...config.connections,
    commandTimeoutMs: COMMAND_TIMEOUT_MS,
    joinOnly: true,
  })
  try {
    return await assemble(config, connections)
  } catch (error) {
    await connections.stop()
    throw error
  }
}

async function assemble(config: Config, connections: RedisConnections): Promise<Installation> {
  const redis = await connections.connect('fail-fast')
  const clock = await startClock({ redis, log: quiet })
  const now = (): number => clock.now()
  const ttlSeconds = config.requestTtlSeconds
  const registry = createServiceRegistry({ redis, now })
  const catalog = await openLiveCatalog({ registry, log: quiet, now })
  const queueList = () => queuesOf(catalog)
  const store = createRequestStore({ redis, ttlSeconds, now, catalog })
  const queues = createQueues({ redis, log: quiet, queueList, now })
  const deadlineIndex = createDeadlineIndex({ redis })
  const subjectLimiter = createSubjectLimiter({ redis, limits: config.server.subjectLimits, now })
  const queueStats = createQueueStats({ redis, store, log: quiet, queues: queueList(), now })
  return {
    config,
    redis,
    address: connections.address,
    catalog,
    registry,
    store,
    requests: createRequestActions({ redis, store, queues, subjectLimiter, catalog, ttlSeconds, now }),
    deadlineIndex,
    failures: createFailedRequests({ redis, now }),
    enqueue: createEnqueueRequest({ store, queues, subjectLimiter }),
    queues,
    queueStats,
    now,
    subscriber: () => connections.connect('subscriber'),
    async stop() {
      await Promise.all([queues.stop(), queueStats.stop()])
      catalog.stop()
      clock.stop()
      await connections.stop()
    },
  }
}
