/** The parts of Halfway that commands use, with their own connections. */
import { userInfo } from 'node:os'

import { createOperate, type Operate } from '../core/actions/operate.ts'
import { createRequestActions, type RequestActions } from '../core/actions/request-actions.ts'
import { createRetry, type Retry } from '../core/actions/retry-request.ts'
import { queuesOf } from '../core/catalog/catalog.ts'
import { createQueuePositions } from '../core/queue/queue-positions.ts'
import { createQueueStats, type QueueStats } from '../core/queue/queue-stats.ts'
import { createQueues, type Queues } from '../core/queue/queues.ts'
import { startClock } from '../core/redis/clock.ts'
import { openRedis, type RedisClient, type RedisConnections } from '../core/redis/connect.ts'
import type { Config } from '../core/runtime/config.ts'
import { createLog } from '../core/runtime/log.ts'
import { type AuditEntry, createAuditLog } from '../core/store/audit-log.ts'
import { createDeadlineIndex, type DeadlineIndex } from '../core/store/deadline-index.ts'
import { createFailedRequests, type FailedRequests } from '../core/store/failed-requests.ts'
import { type LiveCatalog, openLiveCatalog } from '../core/store/live-catalog.ts'
import { type ControlStore, createControlStore } from '../core/store/operator-controls.ts'
import { createRequestList, type RequestList } from '../core/store/request-list.ts'
import { createRequestStore, type RequestStore } from '../core/store/request-store.ts'
import { createRunTimes, type RunTimes } from '../core/store/run-times.ts'
import { createServiceRegistry, type ServiceRegistry } from '../core/store/service-registry.ts'
import { createSessionRequests } from '../core/store/session-requests.ts'
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
  requestList: RequestList
  retry: Retry
  queues: Queues
  controls: ControlStore
  operate: Operate
  runTimes: RunTimes
  queueStats: QueueStats
  /** Writes what the operator did to the audit log. */
  audit(entry: AuditEntry): Promise<void>
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
  const controls = createControlStore({ redis, now })
  const store = createRequestStore({ redis, ttlSeconds, now, catalog })
  const queues = createQueues({ redis, log: quiet, queueList, now })
  const deadlineIndex = createDeadlineIndex({ redis })
  const subjectLimiter = createSubjectLimiter({ redis, limits: config.server.subjectLimits, now })
  const failures = createFailedRequests({ redis, now })
  const queueStats = createQueueStats({ redis, store, log: quiet, queues: queueList, now })
  const audit = createAuditLog({ redis, log: quiet, process: 'cli', now })
  return {
    config,
    redis,
    address: connections.address,
    catalog,
    registry,
    store,
    requests: createRequestActions({
      redis,
      store,
      queues,
      queuePositions: createQueuePositions({ queues, catalog, now }),
      subjectLimiter,
      catalog,
      ttlSeconds,
      now,
    }),
    deadlineIndex,
    failures,
    requestList: createRequestList({
      store,
      deadlineIndex,
      failures,
      startedJobs: queueStats.startedJobs,
      now,
    }),
    retry: createRetry({
      redis,
      store,
      failures,
      catalog,
      queues,
      sessionRequests: createSessionRequests({ redis, now }),
      subjectLimiter,
      limits: config.server,
      ttlSeconds,
      now,
    }),
    queues,
    controls,
    operate: createOperate({ catalog, queues, controls }),
    runTimes: createRunTimes({ redis, now }),
    queueStats,
    audit: (entry) => audit.add({ who: operatorName(), ...entry }),
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

/** The user of this machine; a container may have none. */
function operatorName(): string {
  try {
    return `cli:${userInfo().username}`
  } catch {
    return `cli:${process.getuid?.() ?? 'unknown'}`
  }
}
