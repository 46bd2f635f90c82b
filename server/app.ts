/** The Express app: common middleware, the API, the pages, the error handler. Listens to nothing. */
import type { RequestListener } from 'node:http'
import compression from 'compression'
import cors from 'cors'
import express, { type RequestHandler } from 'express'
import helmet from 'helmet'
import { pinoHttp } from 'pino-http'
import type { RequestActions } from '../core/actions/request-actions.ts'
import type { Catalog } from '../core/catalog/catalog.ts'
import type { RequestWatcher } from '../core/pubsub/request-watcher.ts'
import type { Health } from '../core/pubsub/subscriber-health.ts'
import type { Readiness } from '../core/queue/readiness.ts'
import type { RedisClient } from '../core/redis/connect.ts'
import type { Config, OwnerCheck } from '../core/runtime/config.ts'
import type { Log } from '../core/runtime/log.ts'
import type { FailedRequests } from '../core/store/failed-requests.ts'
import type { RequestFiles } from '../core/store/request-files.ts'
import type { ServiceRegistry } from '../core/store/service-registry.ts'
import type { Assets } from './assets.ts'
import { identify, startSession } from './middleware/caller.ts'
import { handleErrors, notFound } from './middleware/errors.ts'
import { persistLocale } from './middleware/locale.ts'
import { checkOrigin, type IsAllowedOrigin } from './middleware/origin.ts'
import { limitPerMinute } from './middleware/rate-limit.ts'
import { cutTrailingMarks } from './middleware/trailing-marks.ts'
import { warnOfUntrustedProxy } from './middleware/untrusted-proxy.ts'
import type { Ownership } from './ownership.ts'
import type { Pages } from './pages/index.ts'
import type { BotRequestDeps } from './routes/bot-requests.ts'
import { createBotRoutes } from './routes/bots.ts'
import { createHealthRoutes } from './routes/health.ts'
import { createLocalRequestRoutes } from './routes/local-requests.ts'
import { createPageRoutes } from './routes/pages.ts'
import { createRenderProblem } from './routes/problem-page.ts'
import type { RefusedForms } from './routes/refused-forms.ts'
import { createServiceRoutes } from './routes/services.ts'
import { createAnswerStatus } from './routes/status.ts'
import type { SessionCookies } from './sessions.ts'
import { captureHeaders, createStatusFastPath, rethrow } from './status-fast-path.ts'
import type { Submit } from './submit-request.ts'

export interface AppDeps {
  catalog: Catalog
  registry: Pick<ServiceRegistry, 'announce'>
  bots: Pick<Config['bots'], 'tokens' | 'addresses'> & Pick<BotRequestDeps, 'store' | 'reports' | 'waits'>
  files: RequestFiles
  submit: Submit
  requests: RequestActions
  failures: Pick<FailedRequests, 'find'>
  watcher: RequestWatcher
  health: Health
  ownership: Ownership
  sessions: SessionCookies
  isAllowedOrigin: IsAllowedOrigin
  pages: Pages
  refusedForms: RefusedForms
  /** The fail-fast connection, for rate limits. */
  redis: RedisClient
  /** Answers `/readyz`. */
  readiness: { check(): Promise<Readiness> }
  stopping: AbortSignal
  assets: Pick<Assets, 'serve'>
  settings: {
    allowedOrigins: readonly string[]
    trustProxy: number | string[]
    submitsPerMinute: number
    batchesPerMinute: number
    actionsPerMinute: number
    ownerCheck: OwnerCheck
  }
  log: Log
}

export function createApp(deps: AppDeps): RequestListener {
  const { catalog, submit, requests, watcher, health, ownership, sessions, stopping, settings, log } = deps
  const logsCalls = log.isLevelEnabled('debug')
  const answerStatus = createAnswerStatus({ requests, watcher, stopping })
  const limitSubmits = limitPerMinute(deps.redis, 'submit', settings.submitsPerMinute)
  const limitBatches = limitPerMinute(deps.redis, 'batch', settings.batchesPerMinute)
  const limitActions = limitPerMinute(deps.redis, 'action', settings.actionsPerMinute)

  const app = express()
  app.set('trust proxy', settings.trustProxy)
  app.set('query parser', 'simple')
  app.set('etag', false)
  app.disable('x-powered-by')

  const onEveryResponse: RequestHandler[] = [securityHeaders()]
  if (settings.allowedOrigins.length > 0) onEveryResponse.push(crossOrigin(settings.allowedOrigins))
  app.use(...onEveryResponse)
  app.use(createHealthRoutes(deps.readiness))
  if (logsCalls) app.use(logCalls(log))
  app.get('/api/local-requests/:hash/status', rethrow)
  app.use('/assets', deps.assets.serve)
  app.use(warnOfUntrustedProxy({ redis: deps.redis, log }))
  app.use(checkOrigin(deps.isAllowedOrigin), identify(sessions))

  app.use('/api/bots', createBotRoutes({ ...deps, ...deps.bots }))
  app.use('/api/services', compressed, createServiceRoutes(catalog))
  app.use(
    '/api/local-requests',
    createLocalRequestRoutes({
      submit,
      requests,
      watcher,
      health,
      answerStatus,
      ownership,
      stopping,
      limitSubmits,
      limitBatches,
      limitActions,
    }),
  )
  app.use('/api', notFound)

  app.use(
    startSession(sessions, { always: settings.ownerCheck !== 'off' }),
    persistLocale,
    cutTrailingMarks(catalog),
    compressed,
    createPageRoutes({
      ...deps,
      needsCookies: settings.ownerCheck !== 'off',
      limitSubmits,
      limitActions,
    }),
  )
  app.use(notFound)
  app.use(handleErrors({ log, renderPage: createRenderProblem(deps) }))

  // The fast path skips the ownership check of reads and the log of calls.
  if (settings.ownerCheck === 'all' || logsCalls) return app
  return createStatusFastPath(app, answerStatus, captureHeaders(...onEveryResponse))
}

/**
 * No inline or foreign content, no framing. `same-origin` hides a request's address, which grants access to it, from other
 * sites, and lets the server's own pages send the Origin or Referer that middleware/origin.ts checks.
 */
function securityHeaders() {
  return helmet({
    contentSecurityPolicy: {
      useDefaults: false,
      directives: {
        defaultSrc: ["'none'"],
        scriptSrc: ["'self'"],
        styleSrc: ["'self'"],
        imgSrc: ["'self'"],
        fontSrc: ["'self'"],
        connectSrc: ["'self'"],
        formAction: ["'self'"],
        baseUri: ["'none'"],
        frameAncestors: ["'none'"],
      },
    },
    referrerPolicy: { policy: 'same-origin' },
    frameguard: { action: 'deny' },
    // HSTS covers a whole domain: the operator sets it at the TLS proxy.
    strictTransportSecurity: false,
  })
}

/**
 * CORS for pages of the allowed sites. They may read and act as programs do, with a request's hash and, under OWNER_CHECK,
 * its owner token, but without the visitor's cookies.
 */
function crossOrigin(origins: readonly string[]): RequestHandler {
  const handle = cors({
    origin: [...origins],
    methods: ['GET', 'HEAD', 'POST'],
    allowedHeaders: ['Authorization', 'Content-Type', 'Idempotency-Key', 'If-None-Match', 'Last-Event-ID'],
    exposedHeaders: ['ETag', 'Idempotency-Replayed', 'Location', 'Retry-After'],
    maxAge: 24 * 3600,
  })
  return (req, res, next) => {
    // An OPTIONS call that is no preflight goes to the routes, which refuse the method.
    const isPreflight = req.headers['access-control-request-method'] !== undefined
    if (req.method === 'OPTIONS' && !isPreflight) return next()
    handle(req, res, next)
  }
}

/**
 * Compresses responses without personal data. A `no-store` response holds personal data next to parts of its address: its
 * compressed length would reveal that data to an attacker who chooses the address (BREACH).
 */
const compressed = compression({
  filter: (req, res) =>
    !String(res.getHeader('Cache-Control')).includes('no-store') && compression.filter(req, res),
})

/** Logs method, path, status and time; never headers, queries or bodies, which hold personal data. */
function logCalls(log: Log) {
  return pinoHttp({
    logger: log,
    quietReqLogger: true,
    customLogLevel: (_req, res, error) => (error || res.statusCode >= 500 ? 'warn' : 'debug'),
    serializers: {
      req: ({ method, url }: { method: string; url: string }) => ({ method, path: url.split('?')[0] }),
      res: ({ statusCode }: { statusCode: number }) => ({ status: statusCode }),
    },
  })
}
