/** Notifications of a request's news: browsers subscribe to them, and their service worker asks what to show. */
import { type Request, type RequestHandler, Router } from 'express'
import type { RequestActions } from '../../core/actions/request-actions.ts'
import type { Catalog } from '../../core/catalog/catalog.ts'
import { AppError } from '../../core/domain/errors.ts'
import { isFinal } from '../../core/domain/record.ts'
import { createTexts } from '../../core/i18n/index.ts'
import type { Config } from '../../core/runtime/config.ts'
import { kindOfPushEndpoint } from '../../core/runtime/push-endpoint.ts'
import type { PushSubscriptions } from '../../core/store/push-subscriptions.ts'
import { methodNotAllowed } from '../middleware/errors.ts'
import { localeOf, setLocaleHeaders } from '../middleware/locale.ts'
import { notificationModel } from '../pages/notification-model.ts'
import { jsonBody, readObject, unknownFieldErrors } from './parse-json.ts'

export interface PushDeps {
  requests: Pick<RequestActions, 'view'>
  catalog: Pick<Catalog, 'find'>
  subscriptions: PushSubscriptions
  settings: Config['push']
  /** Milliseconds. */
  now: () => number
}

const MAX_BODY_BYTES = 8 * 1024
const MAX_ENDPOINT_CHARACTERS = 2_000

/** Below the address of one request. */
export function createPushRoutes(
  { requests, catalog, subscriptions, settings, now }: PushDeps,
  { requireRead, requireAct }: { requireRead: RequestHandler; requireAct: RequestHandler[] },
): Router {
  const router = Router({ mergeParams: true })

  router
    .route('/push-subscriptions')
    .all((_req, _res, next) => next(settings.isOn ? undefined : new AppError('not_found')))
    .post(...requireAct, ...jsonBody(MAX_BODY_BYTES), async (req, res) => {
      const endpoint = readEndpoint(req.body, settings.hosts)
      const view = await requests.view(hashOf(req))
      if (isFinal(view.status)) throw new AppError('already_final')
      await subscriptions.add(view, endpoint, now())
      res.sendStatus(204)
    })
    .delete(...requireAct, ...jsonBody(MAX_BODY_BYTES), async (req, res) => {
      await subscriptions.remove(hashOf(req), readEndpoint(req.body, settings.hosts))
      res.sendStatus(204)
    })
    .all(methodNotAllowed('POST', 'DELETE'))

  router
    .route('/notification')
    .get(requireRead, async (req, res) => {
      setLocaleHeaders(req, res)
      const view = await requests.view(hashOf(req))
      const service = catalog.find(view.service_slug)
      const words = notificationModel(view, service, createTexts(localeOf(req)), now())
      res.set('Cache-Control', 'no-store').json(words)
    })
    .all(methodNotAllowed('GET', 'HEAD'))

  return router
}

const hashOf = (req: Request): string => String(req.params.hash)

/** @throws AppError `validation_failed` */
function readEndpoint(body: unknown, hosts: readonly string[]): string {
  const { endpoint, ...unknown } = readObject(body)
  const errors = unknownFieldErrors(unknown)
  if (endpoint === undefined) errors.push({ field: 'endpoint', code: 'required' })
  else if (typeof endpoint !== 'string') errors.push({ field: 'endpoint', code: 'not_text' })
  else if (endpoint.length > MAX_ENDPOINT_CHARACTERS) errors.push({ field: 'endpoint', code: 'too_long' })
  else if (kindOfPushEndpoint(endpoint, hosts) === null)
    errors.push({ field: 'endpoint', code: 'url_invalid' })
  if (errors.length > 0) throw new AppError('validation_failed', { errors })
  return endpoint as string
}
