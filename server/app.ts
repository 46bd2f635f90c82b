/** The Express app: common middleware, the API, the pages, the error handler. Listens to nothing. */
import type { RequestListener } from 'node:http'
import compression from 'compression'
import express, { type RequestHandler } from 'express'
import type { RequestActions } from '../core/actions/request-actions.ts'
import type { Catalog } from '../core/catalog/catalog.ts'
import { createTexts } from '../core/i18n/index.ts'
import type { RequestWatcher } from '../core/pubsub/request-watcher.ts'
import type { Health } from '../core/pubsub/subscriber-health.ts'
import type { Queues } from '../core/queue/queues.ts'
import type { Readiness } from '../core/queue/readiness.ts'
import type { RedisClient } from '../core/redis/connect.ts'
import type { InstallationSecret } from '../core/redis/installation-secret.ts'
import type { Config, OwnerCheck } from '../core/runtime/config.ts'
import type { Log } from '../core/runtime/log.ts'
import type { Tracing } from '../core/runtime/tracing.ts'
import type { CodeLinks } from '../core/store/code-links.ts'
import type { FailedRequests } from '../core/store/failed-requests.ts'
import type { Fingerprint } from '../core/store/idempotency-keys.ts'
import type { LiveControls } from '../core/store/operator-controls.ts'
import type { RequestFiles } from '../core/store/request-files.ts'
import type { ServiceRegistry } from '../core/store/service-registry.ts'
import { limitOpen } from './address-limits.ts'
import type { AddressOf } from './client-address.ts'
import type { InlineStyle } from './inline-style.ts'
import { limitReads, limitStreams } from './middleware/address-limits.ts'
import { identifyCall } from './middleware/call-id.ts'
import { logCalls } from './middleware/call-log.ts'
import { identify, startSession } from './middleware/caller.ts'
import { handleErrors, notFound } from './middleware/errors.ts'
import { checkHost, type RefuseHost } from './middleware/host.ts'
import { localeOf, persistLocale, setLocaleHeaders } from './middleware/locale.ts'
import { checkOrigin, type IsAllowedOrigin } from './middleware/origin.ts'
import { type LimitName, limitPerMinute, type OwnLimitOf } from './middleware/rate-limit.ts'
import { captureHeaders, responseHeaders } from './middleware/response-headers.ts'
import { cutTrailingMarks } from './middleware/trailing-marks.ts'
import { warnOfUntrustedProxy } from './middleware/untrusted-proxy.ts'
import type { OwnRequests } from './own-requests.ts'
import type { Ownership } from './ownership.ts'
import type { Pages } from './pages/index.ts'
import { siteManifest } from './pages/site.ts'
import type { OnRefusal } from './refused-calls.ts'
import { continueTraces } from './request-traces.ts'
import type { BotRequestDeps } from './routes/bot-requests.ts'
import { createBotRoutes } from './routes/bots.ts'
import { createHealthRoutes } from './routes/health.ts'
import { createLocalRequestRoutes } from './routes/local-requests.ts'
import { createPageRoutes } from './routes/pages.ts'
import { createRenderProblem } from './routes/problem-page.ts'
import type { PushDeps } from './routes/push-subscriptions.ts'
import type { RefusedForms } from './routes/refused-forms.ts'
import { createServiceRoutes } from './routes/services.ts'
import { createAnswerStatus } from './routes/status.ts'
import type { ServerMetrics } from './server-metrics.ts'
import type { SessionCookies } from './sessions.ts'
import type { SignIn } from './sign-in.ts'
import type { SiteLook } from './site/site.ts'
import { createStatusFastPath, rethrow } from './status-fast-path.ts'
import type { Submit } from './submit-request.ts'
import type { ViewLinks } from './view-links.ts'

export interface AppDeps {
  catalog: Catalog
  controls: Pick<LiveControls, 'current'>
  registry: Pick<ServiceRegistry, 'announce'>
  bots: Pick<Config['bots'], 'tokens' | 'addresses'> & Pick<BotRequestDeps, 'store' | 'reports' | 'waits'>
  files: RequestFiles
  queues: Pick<Queues, 'waiting'>
  submit: Submit
  fingerprint: Fingerprint
  requests: RequestActions
  failures: Pick<FailedRequests, 'find'>
  codeLinks: CodeLinks
  viewLinks: ViewLinks
  ownRequests: OwnRequests
  watcher: RequestWatcher
  health: Health
  ownership: Ownership
  sessions: SessionCookies
  signIn: SignIn
  secret: Pick<InstallationSecret, 'digest'>
  isAllowedOrigin: IsAllowedOrigin
  refuseHost: RefuseHost
  onRefusal: OnRefusal
  addressOf: AddressOf
  pages: Pages
  refusedForms: RefusedForms
  inlineStyle: InlineStyle
  push: Pick<PushDeps, 'subscriptions' | 'settings' | 'now'>
  /** The fail-fast connection, for rate limits. */
  redis: RedisClient
  metrics?: ServerMetrics
  tracing?: Pick<Tracing, 'continueTrace'>
  /** Answers `/metrics`, where METRICS_TOKEN is set. */
  metricsRoute?: RequestHandler
  /** Answers `/readyz`. */
  readiness: { check(): Promise<Readiness> }
  stopping: AbortSignal
  /** What is served under `/assets/`. */
  assets: { serve: RequestHandler[]; href: (name: string) => string }
  site: Pick<SiteLook, 'name'>
  /** The operators' console, where it is on. */
  console: RequestHandler | null
  settings: {
    allowedOrigins: readonly string[]
    trustProxy: number | string[]
    submitsPerMinute: number
    batchesPerMinute: number
    actionsPerMinute: number
    streamsPerAddress: number
    statusReadsPerMinute: number
    ownerCheck: OwnerCheck
    publicUrl: string | undefined
  }
  log: Log
}

export function createApp(deps: AppDeps): RequestListener {
  const { catalog, submit, requests, watcher, health, ownership, stopping, settings, log } = deps
  const logsCalls = log.isLevelEnabled('debug')
  const counters = deps.metrics?.transports
  const answerStatus = createAnswerStatus({ requests, watcher, stopping, counters })
  const limits = createCallLimits(deps)

  const app = express()
  app.set('trust proxy', settings.trustProxy)
  app.set('query parser', 'simple')
  app.set('etag', false)
  app.disable('x-powered-by')

  const onEveryResponse = responseHeaders(settings.allowedOrigins)
  app.use(...onEveryResponse, identifyCall)
  app.use(createHealthRoutes(deps.readiness))
  if (deps.metricsRoute) app.get('/metrics', deps.metricsRoute)
  if (logsCalls) app.use(logCalls(log))
  app.use(checkHost(deps.refuseHost))
  app.get('/api/local-requests/:hash/status', rethrow)
  app.use('/assets', ...deps.assets.serve)
  // Outside of /assets: a service worker serves the pages below its own address.
  app.get('/service-worker.js', ...deps.assets.serve)
  app.get('/manifest.webmanifest', (req, res) => {
    setLocaleHeaders(req, res)
    const manifest = siteManifest(createTexts(localeOf(req)), deps.site, deps.assets.href)
    res.type('application/manifest+json').set('Cache-Control', 'no-cache').send(JSON.stringify(manifest))
  })
  app.use(warnOfUntrustedProxy({ redis: deps.redis, log }))
  app.use(checkOrigin(deps.isAllowedOrigin), identify(deps))
  if (deps.tracing) app.use(continueTraces(deps.tracing))

  app.use('/api/bots', createBotRoutes({ ...deps, ...deps.bots }))
  app.use('/api/services', compressed, createServiceRoutes(catalog, deps.controls))
  app.use(
    '/api/local-requests',
    createLocalRequestRoutes({
      catalog,
      submit,
      requests,
      watcher,
      health,
      answerStatus,
      ownership,
      signIn: deps.signIn,
      push: { ...deps.push, catalog },
      viewLinks: deps.viewLinks,
      publicUrl: settings.publicUrl,
      stopping,
      counters,
      log,
      ...limits,
    }),
  )
  app.use('/api', notFound)
  if (deps.console) app.use('/admin', deps.console)

  app.use(
    startSession(deps.sessions, { always: settings.ownerCheck !== 'off' }),
    persistLocale,
    cutTrailingMarks(catalog),
    compressed,
    createPageRoutes({
      ...deps,
      needsCookies: settings.ownerCheck !== 'off',
      publicUrl: settings.publicUrl,
      ...limits,
    }),
  )
  app.use(notFound)
  app.use(handleErrors({ ...deps, renderPage: createRenderProblem(deps) }))

  // The fast path skips the ownership check of reads and the log of calls.
  if (settings.ownerCheck === 'all' || logsCalls) return app
  return createStatusFastPath(app, answerStatus, {
    headers: captureHeaders(...onEveryResponse),
    refuseHost: deps.refuseHost,
    countRead: limits.countRead,
  })
}

function createCallLimits({ redis, settings, addressOf, signIn, metrics }: AppDeps) {
  const onLimit = metrics?.onLimit
  const limitCalls = (name: LimitName, limit: number, ownLimitOf?: OwnLimitOf): RequestHandler =>
    limitPerMinute(redis, name, limit, onLimit, ownLimitOf)
  return {
    limitSubmits: limitCalls('submit', settings.submitsPerMinute, signIn.submitsPerMinute),
    limitBatches: limitCalls('batch', settings.batchesPerMinute),
    limitActions: limitCalls('action', settings.actionsPerMinute),
    limitStreams: limitStreams(limitOpen(settings.streamsPerAddress), onLimit),
    countRead: limitReads(settings.statusReadsPerMinute, addressOf, onLimit),
  }
}

/**
 * Compresses assets and pages. A `no-store` response holds personal data: beside text that an attacker chose its compressed
 * length would reveal that data (BREACH). The only text in a page that a link can choose is the query of its address, so
 * such a page is compressed when its address has none. Answers of the API are small.
 */
const compressed = compression({
  filter(req, res) {
    const isPersonal = String(res.getHeader('Cache-Control')).includes('no-store')
    const reflectsNothing = req.method === 'GET' && !req.originalUrl.includes('?')
    return (!isPersonal || reflectsNothing) && compression.filter(req, res)
  },
})
