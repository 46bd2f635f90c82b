/** Composes the server from its parts, for its process and for tests. Does not listen yet. */
import { setMaxListeners } from 'node:events'
import type { Server as HttpServer } from 'node:http'
import { Server as NetServer } from 'node:net'
import { createBotReports } from '../core/actions/bot-reports.ts'
import { createRequestActions } from '../core/actions/request-actions.ts'
import { queuesOf } from '../core/catalog/catalog.ts'
import type { RequestWatcher } from '../core/pubsub/request-watcher.ts'
import type { Queues } from '../core/queue/queues.ts'
import { createReadiness } from '../core/queue/readiness.ts'
import type { Config } from '../core/runtime/config.ts'
import { createCodeLinks } from '../core/store/code-links.ts'
import { createFailedRequests } from '../core/store/failed-requests.ts'
import { createRefusals } from '../core/store/form-refusals.ts'
import { createFingerprint } from '../core/store/idempotency-keys.ts'
import { createRequestFiles } from '../core/store/request-files.ts'
import type { RequestStore } from '../core/store/request-store.ts'
import type { ServiceRegistry } from '../core/store/service-registry.ts'
import { createSessionRequests } from '../core/store/session-requests.ts'
import { createSubjectLimiter } from '../core/store/subject-limits.ts'
import { limitOpen } from './address-limits.ts'
import { type AppDeps, createApp } from './app.ts'
import { openAssets } from './assets.ts'
import { type Access, type AccessDeps, openAccess } from './compose-access.ts'
import { type Core, type CoreDeps, openBotWaits, openCore } from './compose-core.ts'
import { composePush } from './compose-push.ts'
import { composeSubmit } from './compose-submit.ts'
import { limitConnections } from './connection-limit.ts'
import { composeConsole } from './console/compose-console.ts'
import { createHttpServer, type HttpServerOptions } from './http-server.ts'
import { openInlineStyle } from './inline-style.ts'
import { createOwnRequests } from './own-requests.ts'
import { createPages, type Pages, type PagesOptions } from './pages/index.ts'
import { servicePace } from './pages/service-pace.ts'
import { createRelay } from './relay.ts'
import { traceSubmits } from './request-traces.ts'
import { createMetricsRoute } from './routes/metrics.ts'
import { createRefusedForms } from './routes/refused-forms.ts'
import { openSite } from './site/site.ts'
import { findThroughLinks, showThroughLinks, watchThroughLinks } from './through-links.ts'

export interface ServerDeps extends CoreDeps, AccessDeps {
  registry: Pick<ServiceRegistry, 'announce' | 'read' | 'lastAnnounced'>
  config: Pick<Config, 'requestTtlSeconds' | 'server' | 'bots' | 'push' | 'metrics'>
  /** The folder of the built browser files. */
  assets: string
  /** Tests set other ones. */
  http?: HttpServerOptions
}

export interface ComposedServer {
  readonly http: HttpServer
  readonly store: RequestStore
  readonly watcher: RequestWatcher
  readonly queues: Queues
  /** Ends open responses, closes remaining HTTP connections after 2 s, releases everything but the Redis connections. */
  stop(): Promise<void>
}

const CLOSE_TIMEOUT_MS = 2_000
/** A request that a proxy has sent on a new connection is read by then. */
const CLOSE_IDLE_MS = 300

export function composeServer(deps: ServerDeps): ComposedServer {
  const { log, config } = deps
  const core = openCore(deps)
  const { store, queues, channels } = core
  const { stop: stopAccess, ...access } = openAccess(deps, store)
  const watcher = watchThroughLinks(core.watcher, access.viewLinks)
  const stopping = new AbortController()
  // Every open stream and long poll adds a listener.
  setMaxListeners(0, stopping.signal)
  const app = composeApp(deps, { ...core, watcher }, { ...access, stopping: stopping.signal })
  const http = createHttpServer(app, deps.http)
  limitConnections(http, { log })
  const relay = createRelay({
    http,
    watcher,
    health: channels.health,
    ...access,
    handshake: {
      ...access,
      takeSocket: limitOpen(config.server.socketsPerAddress),
      onLimit: core.metrics?.onLimit,
    },
    log,
    metrics: core.metrics,
  })

  return {
    http,
    store,
    watcher,
    queues,
    async stop() {
      // Not as http.close(), which also closes connections whose first request has not been read yet.
      const closed = new Promise<void>((resolve) => NetServer.prototype.close.call(http, () => resolve()))
      stopping.abort()
      relay.stop()
      // An idle keep-alive connection must not delay the exit of the process.
      const idleTimer = setInterval(() => http.closeIdleConnections(), CLOSE_IDLE_MS)
      const closeTimer = setTimeout(() => http.closeAllConnections(), CLOSE_TIMEOUT_MS)
      await closed
      clearInterval(idleTimer)
      clearTimeout(closeTimer)
      await stopAccess()
      await queues.stop()
      watcher.stop()
      channels.stop()
    },
  }
}

function composeApp(deps: ServerDeps, core: Core, access: Omit<Access, 'stop'> & Pick<AppDeps, 'stopping'>) {
  const { redis, secret, catalog, controls, registry, config, assets, log, now } = deps
  const { store, channels, queues, watcher, metrics } = core
  const ttlSeconds = config.requestTtlSeconds
  const onLimit = metrics?.onLimit
  const subjectLimiter = createSubjectLimiter({ redis, limits: config.server.subjectLimits, now, onLimit })
  const sessionRequests = createSessionRequests({ redis, now })
  const fingerprint = createFingerprint(secret)
  const actions = createRequestActions({
    redis,
    store,
    queues,
    queuePositions: core.queuePositions,
    subjectLimiter,
    catalog,
    ttlSeconds,
    keepLonger: config.server.keepLonger,
    now,
  })
  const files = openAssets(assets)
  const requests = showThroughLinks(actions, access.viewLinks)
  const requestFiles = findThroughLinks(createRequestFiles({ redis }), access.viewLinks)
  const { push, pushKey } = composePush({ redis, secret, config, now })
  const { site, css, serve } = openSite(config.server.site, assets)
  const failures = createFailedRequests({ redis, now })
  const queueNames = (): string[] => queuesOf(catalog).map(({ name }) => name)
  const readiness = createReadiness({ redis, queues: queueNames, catalog })
  return createApp({
    ...access,
    secret,
    catalog,
    controls,
    registry,
    bots: composeBots(deps, core, requestFiles),
    submit: traceSubmits(
      composeSubmit({ ...deps, metrics }, core, {
        signIn: access.signIn,
        subjectLimiter,
        sessionRequests,
        fingerprint,
      }),
      deps.tracing,
    ),
    queues,
    files: requestFiles,
    fingerprint,
    requests,
    codeLinks: createCodeLinks({ redis }),
    ownRequests: createOwnRequests({ sessionRequests, requests, ownership: access.ownership }),
    failures,
    watcher,
    health: channels.health,
    pages: composePages(deps, core, { asset: files.href, site, pushKey }),
    push,
    refusedForms: createRefusedForms({
      refusals: createRefusals({ redis, secret, ttlSeconds }),
      sessions: access.sessions,
      now,
    }),
    inlineStyle: openInlineStyle(assets, css),
    redis,
    metrics,
    tracing: deps.tracing,
    metricsRoute: createMetricsRoute(deps.metrics, config.metrics.token),
    readiness,
    assets: { serve: [serve, files.serve], href: files.href },
    site,
    console: composeConsole({
      ...deps, ...core, ...access, requests, failures, readiness, subjectLimiter, sessionRequests, site, asset: files.href,
    }), // biome-ignore format: a list
    settings: config.server,
    log,
  })
}

const composeBots = (
  { config, redis, now }: ServerDeps,
  core: Core,
  files: AppDeps['files'],
): AppDeps['bots'] => ({
  ...config.bots,
  store: core.store,
  reports: createBotReports({ store: core.store, files }),
  waits: openBotWaits({ redis, now }, core),
})
const composePages = (
  { catalog, controls, config, now }: ServerDeps,
  { runTimes, capacities }: Core,
  look: Required<Pick<PagesOptions, 'asset' | 'site'>> & Pick<PagesOptions, 'pushKey'>,
): Pages =>
  createPages({
    ...look,
    catalog,
    controls,
    paceOf: (service) => servicePace(service, service ? runTimes.latestEstimate(service) : null, capacities),
    ttlSeconds: config.requestTtlSeconds,
    contact: config.server.contact,
    keepsLonger: config.server.keepLonger,
    now,
  })
