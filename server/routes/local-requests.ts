/** The API under `/api/local-requests`: submit a request; read, watch and control it by its hash. */
import { type Request, type RequestHandler, type Response, Router } from 'express'
import type { RequestActions } from '../../core/actions/request-actions.ts'
import { AppError } from '../../core/domain/errors.ts'
import type { PublicView } from '../../core/domain/record.ts'
import { isRequestHash } from '../../core/domain/request-id.ts'
import type { RequestWatcher } from '../../core/pubsub/request-watcher.ts'
import type { Health } from '../../core/pubsub/subscriber-health.ts'
import { methodNotAllowed } from '../middleware/errors.ts'
import { requireOwner } from '../middleware/owner.ts'
import type { Ownership } from '../ownership.ts'
import type { Submit } from '../submit-request.ts'
import { createEventStream } from './events.ts'
import { jsonBody, MAX_REQUEST_BYTES, readOtp } from './parse-json.ts'
import { type AnswerStatus, createStatus } from './status.ts'
import { createSubmitRoute, MAX_BATCH_BYTES } from './submit.ts'

export interface LocalRequestDeps {
  submit: Submit
  requests: RequestActions
  watcher: RequestWatcher
  health: Health
  answerStatus: AnswerStatus
  ownership: Ownership
  /** Aborts when the server stops: open streams and long polls end immediately. */
  stopping: AbortSignal
  limitSubmits: RequestHandler
  /** For batches, after `limitSubmits`. */
  limitBatches: RequestHandler
  limitActions: RequestHandler
}

export function createLocalRequestRoutes({
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
}: LocalRequestDeps): Router {
  const router = Router()
  const requireRead = requireOwner(ownership, 'read')
  const requireAct = [limitActions, requireOwner(ownership, 'act')]

  router
    .route('/')
    .post(
      limitSubmits,
      ...jsonBody(MAX_BATCH_BYTES, limitBatches),
      createSubmitRoute({ submit, limitBatches }),
    )
    .all(methodNotAllowed('POST'))

  router.param('hash', (_req, _res, next, hash) =>
    next(isRequestHash(hash) ? undefined : new AppError('request_not_found')),
  )

  router
    .route('/:hash/status')
    .get(requireRead, createStatus(answerStatus))
    .all(methodNotAllowed('GET', 'HEAD'))
  router
    .route('/:hash/events')
    .get(requireRead, createEventStream({ watcher, health, stopping }))
    .all(methodNotAllowed('GET', 'HEAD'))

  router
    .route('/:hash/result')
    .get(requireRead, async (req, res) => {
      const view = await requests.view(hashOf(req))
      if (!view.is_completed)
        throw new AppError('not_completed', { detail: `The request is ${view.status}.` })
      res.set('Cache-Control', 'no-store').json(view.result_data)
    })
    .all(methodNotAllowed('GET', 'HEAD'))

  router
    .route('/:hash/cancel')
    .post(...requireAct, async (req, res) => sendView(res, 200, await requests.cancel(hashOf(req))))
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

  return router
}

const hashOf = (req: Request): string => req.params.hash as string

function sendView(res: Response, status: number, view: PublicView): void {
  res.status(status).set('Cache-Control', 'no-store').json(view)
}
