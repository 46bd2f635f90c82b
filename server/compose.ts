/** Composes the server from its parts, for its process and for tests. Does not listen yet. */
import { setMaxListeners } from 'node:events'
import { createServer, type Server as HttpServer } from 'node:http'
import { createBotReports } from '../core/actions/bot-reports.ts'
import { createBotWaits } from '../core/actions/bot-waits.ts'
import { createEnqueueRequest } from '../core/actions/enqueue-request.ts'
import { createOtpMailbox } from '../core/actions/otp-mailbox.ts'
import { createRequestActions } from '../core/actions/request-actions.ts'
import { type Catalog, queuesOf } from '../core/catalog/catalog.ts'
import { createSecretBox } from '../core/domain/secret-box.ts'
import { createChannelSubscriber } from '../core/pubsub/channel-subscriber.ts'
import { createRequestWatcher, type RequestWatcher } from '../core/pubsub/request-watcher.ts'
import { createQueuePositions } from '../core/queue/queue-positions.ts'
import { createQueues, type Queues } from '../core/queue/queues.ts'
import { createReadiness } from '../core/queue/readiness.ts'
import type { RedisClient } from '../core/redis/connect.ts'
import type { InstallationSecret } from '../core/redis/installation-secret.ts'
import type { Config } from '../core/runtime/config.ts'
import type { Log } from '../core/runtime/log.ts'
import { createFailedRequests } from '../core/store/failed-requests.ts'
import { createRefusals } from '../core/store/form-refusals.ts'
import { createIdempotency } from '../core/store/idempotency-keys.ts'
import { createRequestFiles } from '../core/store/request-files.ts'
import { createRequestStore, type RequestStore } from '../core/store/request-store.ts'
import type { ServiceRegistry } from '../core/store/service-registry.ts'
import { createSubjectLimiter } from '../core/store/subject-limits.ts'
import { createUnfinishedLimiter } from '../core/store/unfinished-limits.ts'
import { createAcceptRequest } from './accept-request.ts'
import { type AppDeps, createApp } from './app.ts'
import { openAssets } from './assets.ts'
import { createOriginCheck } from './middleware/origin.ts'
import { createOwnership } from './ownership.ts'
import { createPages } from './pages/index.ts'
import { createRelay } from './relay.ts'
import { createRefusedForms } from './routes/refused-forms.ts'
import { createSessionCookies } from './sessions.ts'
import { createSubmit } from './submit-request.ts'

export interface ServerDeps {
  /** The fail-fast connection. */
  redis: RedisClient
  subscriber: RedisClient
  secret: Pick<InstallationSecret, 'digest'>
  catalog: Catalog
  registry: Pick<ServiceRegistry, 'announce'>
  config: Pick<Config, 'requestTtlSeconds' | 'server' | 'bots'>
  /** The folder of the built browser files. */
  assets: string
  log: Log
  /** Redis's clock (core/redis/clock.ts), which all times of a request come from: milliseconds since 1970. */
  now?: () => number
}

export interface ComposedServer {
  readonly http: HttpServer
  readonly store: RequestStore
  readonly watcher: RequestWatcher
  readonly queues: Queues
  /** Ends open responses, closes remaining HTTP connections after 2 s, releases everything but the Redis connections. */
  stop(): Promise<void>
}

const SUBSCRIBE_TIMEOUT_MS = 900
/** 20 states a second are as many as anyone can read. */
const THROTTLE_MS = 50
const CLOSE_TIMEOUT_MS = 2_000
/** A client that has accepted no data for so long is treated as disconnected. Streams and long polls write more often. */
const IDLE_TIMEOUT_MS = 60_000
/**
 * Longer than the 60 s for which proxies keep idle connections, so that the proxy closes them, never the server under a
 * request. Node's default of 5 s is the interval at which pages poll.
 */
const KEEP_ALIVE_TIMEOUT_MS = 75_000

export function composeServer(deps: ServerDeps): ComposedServer {
  const { log, config } = deps
  const core = openCore(deps)
  const { store, queues, watcher, channels } = core
  const ownership = createOwnership({
    mode: config.server.ownerCheck,
    store,
  })
  const isAllowedOrigin = createOriginCheck(config.server)
  const sessions = createSessionCookies(deps.secret)
  const stopping = new AbortController()
  // Every open stream and long poll adds a listener.
  setMaxListeners(0, stopping.signal)

  const app = composeApp(deps, core, { ownership, isAllowedOrigin, sessions, stopping: stopping.signal })
  const http = createServer({ keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS }, app)
  http.setTimeout(IDLE_TIMEOUT_MS)
  const relay = createRelay({
    http,
    watcher,
    health: channels.health,
    ownership,
    sessions,
    isAllowedOrigin,
    log,
  })

  return {
    http,
    store,
    watcher,
    queues,
    async stop() {
      stopping.abort()
      const closed = new Promise<void>((resolve) => http.close(() => resolve()))
      relay.stop()
      // An idle keep-alive connection must not delay the exit of the process.
      const closeTimer = setTimeout(() => http.closeAllConnections(), CLOSE_TIMEOUT_MS)
      await closed
      clearTimeout(closeTimer)
      await queues.stop()
      watcher.stop()
      channels.stop()
    },
  }
}

/** What the server uses of core: requests in Redis, their queues, their updates. */
function openCore({ redis, subscriber, catalog, config, log, now }: ServerDeps) {
  const ttlSeconds = config.requestTtlSeconds
  const store = createRequestStore({ redis, ttlSeconds, now, log, catalog })
  const channels = createChannelSubscriber({ redis, subscriber, log })
  const queues = createQueues({ redis, log, queueList: () => queuesOf(catalog), now })
  const watcher = createRequestWatcher({
    store,
    channels,
    log,
    ttlSeconds,
    subscribeTimeoutMs: SUBSCRIBE_TIMEOUT_MS,
    throttleMs: THROTTLE_MS,
    queuePositions: createQueuePositions({ queues, catalog, now }),
    now,
  })
  return { store, channels, queues, watcher }
}

function composeApp(
  { redis, secret, catalog, registry, config, assets, log, now }: ServerDeps,
  { store, channels, queues, watcher }: ReturnType<typeof openCore>,
  access: Pick<AppDeps, 'ownership' | 'isAllowedOrigin' | 'sessions' | 'stopping'>,
) {
  const ttlSeconds = config.requestTtlSeconds
  const subjectLimiter = createSubjectLimiter({ redis, limits: config.server.subjectLimits, now })
  const unfinishedLimiter = createUnfinishedLimiter({
    redis,
    limits: config.server,
    ttlSeconds,
    now: now ?? Date.now,
  })
  const idempotency = createIdempotency({ redis })
  const acceptRequest = createAcceptRequest({
    store,
    enqueueRequest: createEnqueueRequest({ store, queues, subjectLimiter, unfinishedLimiter }),
    idempotency,
    secret,
    secretBox: createSecretBox(config.bots.token),
    ttlSeconds,
    now,
  })
  const files = openAssets(assets)
  return createApp({
    ...access,
    catalog,
    registry,
    bots: {
      ...config.bots,
      store,
      reports: createBotReports({ store }),
      waits: createBotWaits({
        redis,
        store,
        watcher,
        otpMailbox: createOtpMailbox({ redis, channels, store, now }),
        now,
      }),
    },
    submit: createSubmit({
      catalog,
      acceptRequest,
      idempotency,
      ownerCheck: config.server.ownerCheck,
      limits: config.server,
      ttlSeconds,
      now,
    }),
    files: createRequestFiles({ redis }),
    requests: createRequestActions({ redis, store, queues, subjectLimiter, catalog, ttlSeconds, now }),
    failures: createFailedRequests({ redis, now }),
    watcher,
    health: channels.health,
    pages: createPages({ catalog, ttlSeconds, asset: files.href, now }),
    refusedForms: createRefusedForms({
      refusals: createRefusals({ redis, secret, ttlSeconds }),
      sessions: access.sessions,
      now,
    }),
    redis,
    readiness: createReadiness({
      redis,
      queues: () => queuesOf(catalog).map(({ name }) => name),
      catalog,
    }),
    assets: files,
    settings: config.server,
    log,
  })
}
