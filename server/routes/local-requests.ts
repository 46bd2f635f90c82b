/** The API under `/api/local-requests`: submit, then watch, act and read by the request's hash. */
import express, { type Request, type RequestHandler, type Response, Router } from 'express'
import { z } from 'zod'
import { AppError, type FieldError } from '../../core/errors.ts'
import { isHash } from '../../core/hash.ts'
import type { PublicView } from '../../core/record.ts'
import type { LiveRequests } from '../../core/redis/live-requests.ts'
import { callerOf } from '../middleware/caller.ts'
import { methodNotAllowed } from '../middleware/errors.ts'
import { requireOwner } from '../middleware/owner.ts'
import type { Ownership } from '../ownership.ts'
import type { Requests } from '../requests.ts'
import type { Submit } from '../submit.ts'
import { createEventStream } from './events.ts'
import { createStatus, retryHint } from './status.ts'

export interface LocalRequestDeps {
  submit: Submit
  requests: Requests
  live: LiveRequests
  ownership: Ownership
  /** Aborts when the server stops: whoever waits is answered at once. */
  stopping: AbortSignal
  limitSubmits: RequestHandler
  limitActions: RequestHandler
}

const KEY_FORM = /^[\x20-\x7e]{1,255}$/

export function createLocalRequestRoutes({
  submit,
  requests,
  live,
  ownership,
  stopping,
  limitSubmits,
  limitActions,
}: LocalRequestDeps): Router {
  const router = Router()
  const mayRead = requireOwner(ownership, 'read')
  const mayAct = [limitActions, requireOwner(ownership, 'act')]
  const body = [requireJson, express.json({ limit: '64kb' })]

  router
    .route('/')
    .post(limitSubmits, ...body, async (req, res) => {
      const { slug, requestData } = readSubmission(req.body)
      const idempotencyKey = readIdempotencyKey(req)
      const { view, replayed, ownerToken } = await submit({
        slug,
        requestData,
        idempotencyKey,
        ...callerOf(res),
      })
      const urls = urlsOf(view)
      res
        .status(202)
        .location(urls.status_url)
        .set('Retry-After', retryHint(view))
        .set('Cache-Control', 'no-store')
      if (replayed) res.set('Idempotency-Replayed', 'true')
      res.json({ ...urls, ...(ownerToken && { owner_token: ownerToken }), ...view })
    })
    .all(methodNotAllowed('POST'))

  router.param('hash', (_req, _res, next, hash) =>
    next(isHash(hash) ? undefined : new AppError('request_not_found')),
  )

  router
    .route('/:hash/status')
    .get(mayRead, createStatus({ requests, live, stopping }))
    .all(methodNotAllowed('GET', 'HEAD'))
  router
    .route('/:hash/events')
    .get(mayRead, createEventStream({ live, stopping }))
    .all(methodNotAllowed('GET', 'HEAD'))

  router
    .route('/:hash/result')
    .get(mayRead, async (req, res) => {
      const view = await requests.view(hashOf(req))
      if (!view.is_completed)
        throw new AppError('not_completed', { detail: `The request is ${view.status}.` })
      res.set('Cache-Control', 'no-store').json(view.result_data)
    })
    .all(methodNotAllowed('GET', 'HEAD'))

  router
    .route('/:hash/cancel')
    .post(...mayAct, async (req, res) => answer(res, 200, await requests.cancel(hashOf(req))))
    .all(methodNotAllowed('POST'))

  router
    .route('/:hash/otp')
    .post(...mayAct, ...body, async (req, res) =>
      answer(res, 202, await requests.submitOtp(hashOf(req), readOtp(req.body))),
    )
    .all(methodNotAllowed('POST'))

  router
    .route('/:hash/resend-otp')
    .post(...mayAct, async (req, res) => answer(res, 202, await requests.resendOtp(hashOf(req))))
    .all(methodNotAllowed('POST'))

  return router
}

const hashOf = (req: Request): string => req.params.hash as string

function answer(res: Response, status: number, view: PublicView): void {
  res.status(status).set('Cache-Control', 'no-store').json(view)
}

function urlsOf({ hash, service_slug }: PublicView) {
  const api = `/api/local-requests/${hash}`
  return {
    status_url: `${api}/status`,
    progress_url: `/services/${service_slug}/progress/${hash}`,
    events_url: `${api}/events`,
    result_url: `${api}/result`,
    cancel_url: `${api}/cancel`,
  }
}

const requireJson: RequestHandler = (req, _res, next) => {
  // No body at all is told by the fields that are missing.
  const isEmpty = req.get('content-length') === '0'
  if (!isEmpty && req.is('application/json') === false)
    throw new AppError('unsupported_media_type', { detail: 'Send application/json.' })
  next()
}

const jsonObject = z.record(z.string(), z.unknown())

function readSubmission(body: unknown): { slug: string; requestData: Record<string, unknown> } {
  const object = jsonObject.safeParse(body ?? {})
  if (!object.success) throw new AppError('invalid_json', { detail: 'The body must be a JSON object.' })
  const { service_slug: slug, request_data: data, ...unknown } = object.data
  const errors: FieldError[] = Object.keys(unknown).map((field) => ({
    field: field.slice(0, 100),
    code: 'unknown_field',
  }))
  if (slug === undefined) errors.push({ field: 'service_slug', code: 'required' })
  else if (typeof slug !== 'string') errors.push({ field: 'service_slug', code: 'not_text' })
  const requestData = jsonObject.safeParse(data ?? {})
  if (!requestData.success) errors.push({ field: 'request_data', code: 'not_object' })
  if (errors.length > 0) throw new AppError('validation_failed', { errors })
  return { slug: slug as string, requestData: requestData.data as Record<string, unknown> }
}

function readOtp(body: unknown): string {
  const { otp, ...unknown } = jsonObject.safeParse(body).data ?? {}
  const errors: FieldError[] = Object.keys(unknown).map((field) => ({
    field: field.slice(0, 100),
    code: 'unknown_field',
  }))
  if (otp === undefined || otp === '') errors.push({ field: 'otp', code: 'required' })
  else if (typeof otp !== 'string' && typeof otp !== 'number') errors.push({ field: 'otp', code: 'not_text' })
  if (errors.length > 0) throw new AppError('validation_failed', { errors })
  return String(otp)
}

function readIdempotencyKey(req: Request): string | null {
  const key = req.get('idempotency-key')
  if (key === undefined) return null
  if (!KEY_FORM.test(key))
    throw new AppError('invalid_parameter', {
      detail: 'An Idempotency-Key has 1 to 255 printable characters.',
    })
  return key
}
