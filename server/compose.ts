/** The server put together from its parts: the same in its process and in the tests. Listens to nothing yet. */
import { setMaxListeners } from 'node:events'
import { createServer, type Server as HttpServer } from 'node:http'
import { createEnqueueRequest } from '../core/actions/enqueue-request.ts'
import { createRequestActions } from '../core/actions/request-actions.ts'
import { allQueues } from '../core/catalog/index.ts'
import { createChannelSubscriber } from '../core/pubsub/channel-subscriber.ts'
import { createRequestWatcher, type RequestWatcher } from '../core/pubsub/request-watcher.ts'
import { createQueuePlaces } from '../core/queue/queue-positions.ts'
import { createQueues, type Queues } from '../core/queue/queues.ts'
import { createReadiness } from '../core/queue/readiness.ts'
import type { RedisClient } from '../core/redis/connect.ts'
import type { InstallationSecret } from '../core/redis/installation-secret.ts'
import type { Config } from '../core/runtime/config.ts'
import type { Log } from '../core/runtime/log.ts'
import { createFailures } from '../core/store/failed-requests.ts'
import { createRefusals } from '../core/store/form-refusals.ts'
import { createIdempotency } from '../core/store/idempotency-keys.ts'
import { createRequestStore, type RequestStore } from '../core/store/request-store.ts'
import { createSubjects } from '../core/store/subject-limits.ts'
import { createPlaces } from '../core/store/unfinished-limits.ts'
import { createApp } from './app.ts'
import { openAssets } from './assets.ts'
import { createOriginCheck } from './middleware/origin.ts'
import { createOwnership } from './ownership.ts'
import { createPages } from './pages/index.ts'
import { createRelay } from './relay.ts'
import { createRefusedForms } from './routes/refused-forms.ts'
import { createSessions } from './sessions.ts'
import { createSubmit } from './submit-request.ts'

export interface ServerDeps {
  /** The fail-fast connection. */
  redis: RedisClient
  subscriber: RedisClient
  secret: Pick<InstallationSecret, 'digest'>
  config: Pick<Config, 'requestTtlSeconds' | 'server'>
  /** The folder with what the browser loads. */
  assets: string
  log: Log
  /** The time of every request, milliseconds since 1970: that of Redis (core/redis/clock.ts). */
  now?: () => number
}

export interface ComposedServer {
  readonly http: HttpServer
  readonly store: RequestStore
  readonly live: RequestWatcher
  readonly queues: Queues
  /** Answers who waits, hangs up on who stays, and lets go of everything; the connections are the caller's to close. */
  stop(): Promise<void>
}

const SUBSCRIBE_TIMEOUT_MS = 900
/** Nobody reads faster than 20 states a second. */
const THROTTLE_MS = 50
const CLOSE_TIMEOUT_MS = 2_000
/** A client that takes nothing of its answer for so long is gone. Streams and long polls say something more often. */
const IDLE_TIMEOUT_MS = 60_000
/**
 * Pages that poll ask every 5 s, which is when Node would hang up; proxies keep a connection for 60 s and must not be the
 * ones who find it closed.
 */
const KEEP_ALIVE_TIMEOUT_MS = 75_000

export function composeServer({
  redis,
  subscriber,
  secret,
  config,
  assets,
  log,
  now,
}: ServerDeps): ComposedServer {
  const ttlSeconds = config.requestTtlSeconds
  const store = createRequestStore({ redis, ttlSeconds, now, log })
  const bus = createChannelSubscriber({ redis, subscriber, log })
  const queues = createQueues({ redis, log, now })
  const live = createRequestWatcher({
    store,
    bus,
    log,
    ttlSeconds,
    subscribeTimeoutMs: SUBSCRIBE_TIMEOUT_MS,
    throttleMs: THROTTLE_MS,
    places: createQueuePlaces({ queues, now }),
    now,
  })
  const subjects = createSubjects({ redis, limits: config.server.subjectLimits, now })
  const idempotency = createIdempotency({ redis })
  const ownership = createOwnership({ mode: config.server.ownerCheck, store, ttlSeconds, now })
  const isAllowedOrigin = createOriginCheck(config.server)
  const sessions = createSessions(secret)
  const files = openAssets(assets)
  const stopping = new AbortController()
  // Every open stream and long poll listens.
  setMaxListeners(0, stopping.signal)

  const http = createServer(
    { keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS },
    createApp({
      submit: createSubmit({
        store,
        queues,
        enqueueRequest: createEnqueueRequest({ store, queues, subjects }),
        places: createPlaces({ redis, limits: config.server, ttlSeconds, now: now ?? Date.now }),
        idempotency,
        ownerCheck: config.server.ownerCheck,
        secret,
        limits: config.server,
        ttlSeconds,
        now,
      }),
      requests: createRequestActions({ store, queues, subjects, ttlSeconds, now }),
      failures: createFailures({ redis, now }),
      live,
      health: bus.health,
      ownership,
      sessions,
      isAllowedOrigin,
      pages: createPages({ ttlSeconds, asset: files.href, now }),
      refusedForms: createRefusedForms({
        refusals: createRefusals({ redis, secret, ttlSeconds }),
        sessions,
        now,
      }),
      redis,
      readiness: createReadiness({ redis, queues: allQueues().map(({ name }) => name) }),
      stopping: stopping.signal,
      assets: files,
      settings: config.server,
      log,
    }),
  )
  http.setTimeout(IDLE_TIMEOUT_MS)
  const relay = createRelay({ http, live, health: bus.health, ownership, sessions, isAllowedOrigin, log })

  return {
    http,
    store,
    live,
    queues,
    async stop() {
      stopping.abort()
      const closed = new Promise<void>((resolve) => http.close(() => resolve()))
      relay.stop()
      // Whoever keeps an idle connection open must not keep the process.
      const closeTimer = setTimeout(() => http.closeAllConnections(), CLOSE_TIMEOUT_MS)
      await closed
      clearTimeout(closeTimer)
      await queues.stop()
      live.stop()
      bus.stop()
    },
  }
}
