/** The API under `/api/local-requests`: submit a request; read, watch and control it by its hash. */
import { type Request, type RequestHandler, type Response, Router } from 'express'
import type { RequestActions } from '../../core/actions/request-actions.ts'
import type { Catalog } from '../../core/catalog/catalog.ts'
import { AppError } from '../../core/domain/errors.ts'
import type { PublicView } from '../../core/domain/record.ts'
import { isRequestHash } from '../../core/domain/request-id.ts'
import type { RequestWatcher } from '../../core/pubsub/request-watcher.ts'
import type { Health } from '../../core/pubsub/subscriber-health.ts'
import type { Log } from '../../core/runtime/log.ts'
import { isCodeToken } from '../../core/store/code-links.ts'
import type { CountRead } from '../middleware/address-limits.ts'
import { methodNotAllowed } from '../middleware/errors.ts'
import { requireOwner } from '../middleware/owner.ts'
import { requireSubmitter } from '../middleware/submitter.ts'
import type { Ownership } from '../ownership.ts'
import type { ServerMetrics } from '../server-metrics.ts'
import type { SignIn } from '../sign-in.ts'
import type { Submit } from '../submit-request.ts'
import { isViewToken, type ViewLinks } from '../view-links.ts'
import { createEventStream } from './events.ts'
import { jsonBody, MAX_REQUEST_BYTES, readOtp } from './parse-json.ts'
import { createPushRoutes, type PushDeps } from './push-subscriptions.ts'
import { createResultCsv, requireCompleted } from './result-csv.ts'
import { type AnswerStatus, createStatus } from './status.ts'
import { createSubmitRoute, MAX_BATCH_BYTES } from './submit.ts'
import { createViewLinkRoutes } from './view-links.ts'

export interface LocalRequestDeps {
  catalog: Catalog
  submit: Submit
  requests: RequestActions
  watcher: RequestWatcher
  health: Health
  answerStatus: AnswerStatus
  countRead: CountRead
  ownership: Ownership
  signIn: SignIn
  push: Omit<PushDeps, 'requests'>
  viewLinks: ViewLinks
  publicUrl: string | undefined
  /** Aborts when the server stops: open streams and long polls end immediately. */
  stopping: AbortSignal
  counters?: ServerMetrics['transports']
  limitSubmits: RequestHandler
  /** For batches, after `limitSubmits`. */
  limitBatches: RequestHandler
  limitActions: RequestHandler
  log: Log
  /** For calls that stay open. */
  limitStreams: (isHeldOpen: (req: Request) => boolean) => RequestHandler
}

export function createLocalRequestRoutes({
  catalog,
  submit,
  requests,
  watcher,
  health,
  answerStatus,
  countRead,
  ownership,
  signIn,
  push,
  viewLinks,
  publicUrl,
  stopping,
  counters,
  limitSubmits,
  limitBatches,
  limitActions,
  log,
  limitStreams,
}: LocalRequestDeps): Router {
  const router = Router()
  const requireRead = requireOwner(ownership, 'read')
  const requireAct = [limitActions, requireOwner(ownership, 'act')]
  router
    .route('/')
    .post(
      limitSubmits,
      requireSubmitter(signIn),
      ...jsonBody(MAX_BATCH_BYTES, limitBatches),
      createSubmitRoute({ submit, limitBatches, log }),
    )
    .all(methodNotAllowed('POST'))

  router.param('hash', (_req, _res, next, hash) =>
    next(
      isRequestHash(hash) || isViewToken(hash) || isCodeToken(hash)
        ? undefined
        : new AppError('request_not_found'),
    ),
  )

  // What a REST client reads after a submit, without knowing `status_url`.
  const readStatus: RequestHandler[] = [
    (req, _res, next) => {
      countRead(req)
      next()
    },
    requireRead,
    limitStreams(({ query }) => Number(query.wait) > 0),
    createStatus(answerStatus),
  ]
  router.get('/:hash', readStatus)
  router.route('/:hash/status').get(readStatus).all(methodNotAllowed('GET', 'HEAD'))
  router
    .route('/:hash/events')
    .get(
      requireRead,
      limitStreams(({ method }) => method === 'GET'),
      createEventStream({ watcher, health, stopping, counter: counters?.event_stream }),
    )
    .all(methodNotAllowed('GET', 'HEAD'))

  router
    .route('/:hash/timeline')
    .get(requireRead, sendTimeline(requests))
    .all(methodNotAllowed('GET', 'HEAD'))

  router.route('/:hash/result').get(requireRead, sendResult(requests)).all(methodNotAllowed('GET', 'HEAD'))

  router
    .route('/:hash/result.csv')
    .get(requireRead, createResultCsv({ catalog, requests }))
    .all(methodNotAllowed('GET', 'HEAD'))

  addActions(router, { requests, requireRead, requireAct })
  router.use('/:hash', createPushRoutes({ ...push, requests }, { requireRead, requireAct }))
  router.use('/:hash', createViewLinkRoutes({ requests, viewLinks, publicUrl }, requireAct))
  return router
}

/** What a client does with a request. */
function addActions(
  router: Router,
  {
    requests,
    requireRead,
    requireAct,
  }: { requests: RequestActions; requireRead: RequestHandler; requireAct: RequestHandler[] },
): void {
  router
    .route('/:hash')
    .delete(...requireAct, async (req, res) => {
      await requests.delete(hashOf(req))
      res.status(204).set('Cache-Control', 'no-store').end()
    })
    .all(methodNotAllowed('GET', 'HEAD', 'DELETE'))

  router
    .route('/:hash/cancel')
    .post(...requireAct, async (req, res) => sendView(res, 200, await requests.cancel(hashOf(req))))
    .all(methodNotAllowed('POST'))

  router
    .route('/:hash/keep')
    .post(...requireAct, async (req, res) => sendView(res, 200, await requests.keep(hashOf(req))))
    .all(methodNotAllowed('POST'))

  router
    .route('/:hash/otp')
    .post(...requireAct, ...jsonBody(MAX_REQUEST_BYTES), async (req, res) =>
      sendView(res, 202, await requests.submitOtp(hashOf(req), readOtp(req.body))),
    )
    .all(methodNotAllowed('POST'))

  // An address of its own: the record and its view are sent far more often than the picture is shown.
  router
    .route('/:hash/otp/image')
    .get(requireRead, async (req, res) => {
      const image = await requests.image(hashOf(req), String(req.query.id ?? ''))
      res.set('Cache-Control', 'no-store').type(image.type).send(image.bytes)
    })
    .all(methodNotAllowed('GET', 'HEAD'))

  router
    .route('/:hash/resend-otp')
    .post(...requireAct, async (req, res) => sendView(res, 202, await requests.resendOtp(hashOf(req))))
    .all(methodNotAllowed('POST'))
}

const sendResult =
  (requests: RequestActions): RequestHandler =>
  async (req, res) => {
    const view = requireCompleted(await requests.view(hashOf(req)))
    res.set('Cache-Control', 'no-store').json(view.result_data)
  }

const sendTimeline =
  (requests: RequestActions): RequestHandler =>
  async (req, res) => {
    const entries = await requests.timeline(await requests.view(hashOf(req)))
    res.set('Cache-Control', 'no-store').json({ entries })
  }

const hashOf = (req: Request): string => req.params.hash as string

function sendView(res: Response, status: number, view: PublicView): void {
  res.status(status).set('Cache-Control', 'no-store').json(view)
}
