/** Composes the operators' console. */
import type { Router } from 'express'
import { createOperate } from '../../core/actions/operate.ts'
import type { RequestActions } from '../../core/actions/request-actions.ts'
import { createRetry } from '../../core/actions/retry-request.ts'
import { type Catalog, queuesOf } from '../../core/catalog/catalog.ts'
import { createQueueStats } from '../../core/queue/queue-stats.ts'
import type { Queues } from '../../core/queue/queues.ts'
import type { Readiness } from '../../core/queue/readiness.ts'
import type { RedisClient } from '../../core/redis/connect.ts'
import type { InstallationSecret } from '../../core/redis/installation-secret.ts'
import type { Config } from '../../core/runtime/config.ts'
import type { Log } from '../../core/runtime/log.ts'
import type { AuditLog } from '../../core/store/audit-log.ts'
import { createDeadlineIndex } from '../../core/store/deadline-index.ts'
import type { FailedRequests } from '../../core/store/failed-requests.ts'
import { createControlStore, type LiveControls } from '../../core/store/operator-controls.ts'
import { createRequestList } from '../../core/store/request-list.ts'
import { createRequestStore } from '../../core/store/request-store.ts'
import type { RunTimes } from '../../core/store/run-times.ts'
import type { ServiceRegistry } from '../../core/store/service-registry.ts'
import type { SessionRequests } from '../../core/store/session-requests.ts'
import type { SubjectLimiter } from '../../core/store/subject-limits.ts'
import { limitPerMinute } from '../middleware/rate-limit.ts'
import type { OnRefusal } from '../refused-calls.ts'
import type { SiteLook } from '../site/site.ts'
import { createConsoleDoor } from './access.ts'
import { createReadContent } from './contents.ts'
import { readSnapshot } from './data.ts'
import { createConsolePages } from './pages.ts'
import { createRawQueues } from './raw-queues.ts'
import { createConsoleRoutes } from './routes.ts'

interface ConsoleDeps {
  config: Pick<Config, 'requestTtlSeconds' | 'server'>
  redis: RedisClient
  secret: Pick<InstallationSecret, 'digest'>
  catalog: Catalog
  controls: Pick<LiveControls, 'current' | 'refresh'>
  registry: Pick<ServiceRegistry, 'read' | 'lastAnnounced'>
  queues: Queues
  requests: RequestActions
  failures: FailedRequests
  readiness: { check(): Promise<Readiness> }
  runTimes: Pick<RunTimes, 'durations'>
  subjectLimiter: SubjectLimiter
  sessionRequests: SessionRequests
  asset: (name: string) => string
  site: SiteLook
  audit: AuditLog
  onRefusal: OnRefusal
  stopping: AbortSignal
  log: Log
  now?: () => number
}

const SIGN_INS_PER_MINUTE = 10

/** Null where the console is off. */
export function composeConsole({ now = Date.now, ...given }: ConsoleDeps): Router | null {
  const access = given.config.server.console
  if (access === null) return null
  const ttlSeconds = given.config.requestTtlSeconds
  const deps = { ...given, ttlSeconds, now }
  const { redis, catalog, failures, requests, log } = deps
  // A store of its own, so that a long list does not displace what this process caches for visitors.
  const store = createRequestStore({ redis, ttlSeconds, now, log, catalog })
  const queueStats = createQueueStats({ redis, store, log, queues: () => queuesOf(catalog), now })
  deps.stopping.addEventListener('abort', () => void queueStats.stop())
  const list = createRequestList({
    store,
    deadlineIndex: createDeadlineIndex({ redis }),
    failures,
    startedJobs: queueStats.startedJobs,
    now,
  })
  const door = createConsoleDoor({ ...deps, access })
  const pages = createConsolePages({
    readContent: createReadContent({
      ...deps,
      readSnapshot: () => readSnapshot({ ...deps, queueStats }),
      list,
      store,
      queueStats,
    }),
    asset: deps.asset,
    site: deps.site,
    mayLeave: door.hasForm,
  })
  return createConsoleRoutes({
    redis,
    door,
    pages,
    list,
    requests,
    failures,
    operate: createOperate({ ...deps, controls: createControlStore({ redis, now }) }),
    controls: deps.controls,
    retry: createRetry({ ...deps, store, limits: deps.config.server }),
    audit: deps.audit,
    onRefusal: deps.onRefusal,
    limitSignIns: limitPerMinute(redis, 'sign_in', SIGN_INS_PER_MINUTE),
    rawQueues: createRawQueues(queueStats),
    stopping: deps.stopping,
  })
}
