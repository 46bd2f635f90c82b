/** What programs send: JSON, read with care. */
import express, { type Request, type RequestHandler, type Response } from 'express'
import { z } from 'zod'
import { AppError, type FieldError } from '../../core/errors.ts'
import { exceededLimit, type JsonLimits } from '../../core/json-limits.ts'

/** The most that one request, or a code, may take. */
export const MOST_BYTES = 64 * 1024
/** Room for a batch of a thousand requests with forty fields each. */
const LIMITS: JsonLimits = { maxDepth: 32, maxMembers: 200, maxValues: 50_000 }
const LIMIT_WORDS: Record<keyof JsonLimits, string> = {
  maxDepth: `A body is nested at most ${LIMITS.maxDepth} deep.`,
  maxMembers: `An object has at most ${LIMITS.maxMembers} members.`,
  maxValues: `A body has at most ${LIMITS.maxValues} values.`,
}
const KEY_FORM = /^[\x20-\x7e]{1,255}$/

export const jsonBody = (mostBytes: number): RequestHandler[] => [
  requireJson,
  express.json({
    limit: mostBytes,
    verify: (_req, res, body, encoding) => {
      // The limits are counted on bytes of UTF-8, which is what JSON is sent in.
      if (encoding !== 'utf-8') throw new AppError('unsupported_media_type', { detail: 'Send UTF-8.' })
      const exceeded = exceededLimit(body, LIMITS)
      if (exceeded) throw new AppError('body_too_large', { detail: LIMIT_WORDS[exceeded] })
      ;(res as Response).locals.bodyBytes = body.length
    },
  }),
]

/** How much was sent, in its plain form. */
export const bodyBytes = (res: Response): number => Number(res.locals.bodyBytes ?? 0)

const requireJson: RequestHandler = (req, _res, next) => {
  // No body at all is told by the fields that are missing.
  const isEmpty = req.get('content-length') === '0'
  if (!isEmpty && req.is('application/json') === false)
    throw new AppError('unsupported_media_type', { detail: 'Send application/json.' })
  next()
}

const jsonObject = z.record(z.string(), z.unknown())

/** @throws AppError `invalid_json` */
export function readObject(body: unknown, what = 'The body'): Record<string, unknown> {
  const object = jsonObject.safeParse(body === undefined ? {} : body)
  if (!object.success) throw new AppError('invalid_json', { detail: `${what} must be a JSON object.` })
  return object.data
}

export const unknownFields = (fields: Record<string, unknown>): FieldError[] =>
  Object.keys(fields).map((field) => ({ field: field.slice(0, 100), code: 'unknown_field' }))

export interface ReadSubmission {
  slug: string
  requestData: Record<string, unknown>
  wishes: { delay?: unknown; run_at?: unknown; priority?: unknown }
}

/** @throws AppError `validation_failed` */
export function readSubmission(object: Record<string, unknown>): ReadSubmission {
  const { service_slug: slug, request_data: data, delay, run_at, priority, ...unknown } = object
  const errors = unknownFields(unknown)
  if (slug === undefined) errors.push({ field: 'service_slug', code: 'required' })
  else if (typeof slug !== 'string') errors.push({ field: 'service_slug', code: 'not_text' })
  const requestData = jsonObject.safeParse(data ?? {})
  if (!requestData.success) errors.push({ field: 'request_data', code: 'not_object' })
  if (errors.length > 0) throw new AppError('validation_failed', { errors })
  return {
    slug: slug as string,
    requestData: requestData.data as Record<string, unknown>,
    wishes: { delay, run_at, priority },
  }
}

export function readOtp(body: unknown): string {
  const { otp, ...unknown } = jsonObject.safeParse(body).data ?? {}
  const errors = unknownFields(unknown)
  if (otp === undefined || otp === '') errors.push({ field: 'otp', code: 'required' })
  else if (typeof otp !== 'string' && typeof otp !== 'number') errors.push({ field: 'otp', code: 'not_text' })
  if (errors.length > 0) throw new AppError('validation_failed', { errors })
  return String(otp)
}

export function readIdempotencyKey(req: Request): string | null {
  const key = req.get('idempotency-key')
  if (key === undefined) return null
  if (!KEY_FORM.test(key))
    throw new AppError('invalid_parameter', {
      detail: 'An Idempotency-Key has 1 to 255 printable characters.',
    })
  return key
}
