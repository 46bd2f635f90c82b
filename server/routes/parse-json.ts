/** Parses the JSON bodies of API calls, within limits. */
import express, { type Request, type RequestHandler, type Response } from 'express'
import { AppError, type FieldError } from '../../core/domain/errors.ts'
import { exceededLimit, type JsonLimits } from '../../core/records/json-limits.ts'
import { paced } from '../pace.ts'

/** The limit of one request, or of a code. */
export const MAX_REQUEST_BYTES = 64 * 1024
/** Enough for a batch of 1,000 requests with 40 fields each. */
const LIMITS: JsonLimits = { maxDepth: 32, maxMembers: 200, maxValues: 50_000 }
const describeLimit = (name: keyof JsonLimits, limits: JsonLimits): string =>
  ({
    maxDepth: `A body is nested at most ${limits.maxDepth} deep.`,
    maxMembers: `An object has at most ${limits.maxMembers} members.`,
    maxValues: `A body has at most ${limits.maxValues} values.`,
  })[name]
const utf8 = new TextDecoder('utf-8', { fatal: true })
const IDEMPOTENCY_KEY = /^[\x20-\x7e]{1,255}$/

/**
 * @param limitLarge runs for bodies that exceed the size of one request: before the body is read, if its headers show or allow that
 * @param limits of its content
 */
export const jsonBody = (
  maxBytes: number,
  limitLarge?: RequestHandler,
  limits: JsonLimits = LIMITS,
): RequestHandler[] => [
  requireJson,
  (req, res, next) => (limitLarge && mayBeLarge(req) ? limitLarge(req, res, next) : next()),
  express.raw({ limit: maxBytes, type: 'application/json' }),
  (req, res, next) => {
    if (!Buffer.isBuffer(req.body)) req.body = Buffer.alloc(0)
    res.locals.bodyBytes = req.body.length
    return limitLarge && bodyBytes(res) > MAX_REQUEST_BYTES ? limitLarge(req, res, next) : next()
  },
  async (req, res, next) => {
    const bytes: Buffer = req.body
    req.body = await (bodyBytes(res) > MAX_REQUEST_BYTES
      ? paced(() => parse(bytes, limits))
      : parse(bytes, limits))
    next()
  },
]

/** A compressed body may expand to any size, and decompressing it is most of the work. */
const mayBeLarge = (req: Request): boolean =>
  Number(req.get('content-length')) > MAX_REQUEST_BYTES || req.get('content-encoding') !== undefined

/** An empty body counts as `{}`, so that the error names the missing fields. */
function parse(bytes: Buffer, limits: JsonLimits): unknown {
  if (bytes.length === 0) return {}
  const exceeded = exceededLimit(bytes, limits)
  if (exceeded) throw new AppError('body_too_large', { detail: describeLimit(exceeded, limits) })
  try {
    const text = utf8.decode(bytes)
    if (/^\s*[[{]/.test(text)) return JSON.parse(text)
  } catch {}
  throw new AppError('invalid_json', { detail: 'The body is not JSON in UTF-8.' })
}

/** The size of the body, decompressed. */
export const bodyBytes = (res: Response): number => Number(res.locals.bodyBytes ?? 0)

const requireJson: RequestHandler = (req, _res, next) => {
  const isEmpty = req.get('content-length') === '0'
  if (!isEmpty && req.is('application/json') === false)
    throw new AppError('unsupported_media_type', { detail: 'Send application/json.' })
  const charset = /;\s*charset\s*=\s*"?([^";\s]+)/i.exec(req.get('content-type') ?? '')?.[1]
  // JSON is UTF-8, and the limits count its bytes.
  if (charset && !/^utf-?8$/i.test(charset))
    throw new AppError('unsupported_media_type', { detail: 'Send UTF-8.' })
  next()
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** @throws AppError `invalid_json` */
export function readObject(body: unknown, what = 'The body'): Record<string, unknown> {
  if (!isObject(body)) throw new AppError('invalid_json', { detail: `${what} must be a JSON object.` })
  return body
}

export const unknownFieldErrors = (fields: Record<string, unknown>): FieldError[] =>
  Object.keys(fields).map((field) => ({ field: field.slice(0, 100), code: 'unknown_field' }))

export interface ParsedSubmission {
  slug: string
  requestData: Record<string, unknown>
  scheduleOptions: { delay?: unknown; run_at?: unknown; priority?: unknown }
}

/** @throws AppError `validation_failed` */
export function parseSubmission(object: Record<string, unknown>): ParsedSubmission {
  const { service_slug: slug, request_data: data, delay, run_at, priority, ...unknown } = object
  const errors = unknownFieldErrors(unknown)
  if (slug === undefined) errors.push({ field: 'service_slug', code: 'required' })
  else if (typeof slug !== 'string') errors.push({ field: 'service_slug', code: 'not_text' })
  const requestData = data ?? {}
  if (!isObject(requestData)) errors.push({ field: 'request_data', code: 'not_object' })
  if (errors.length > 0) throw new AppError('validation_failed', { errors })
  return {
    slug: slug as string,
    requestData: requestData as Record<string, unknown>,
    scheduleOptions: { delay, run_at, priority },
  }
}

/** The answer to a question: `otp`, or `answer`, which is the same by another name. */
export function readOtp(body: unknown): string {
  const { otp, answer, ...unknown } = (isObject(body) ? body : {}) as Record<string, unknown>
  const errors = unknownFieldErrors(unknown)
  if (otp !== undefined && answer !== undefined)
    throw new AppError('validation_failed', {
      detail: 'Send either otp or answer.',
      errors: [...errors, { field: 'answer', code: 'unknown_field' }],
    })
  const [field, given] = answer === undefined ? ['otp', otp] : ['answer', answer]
  if (given === undefined || given === '') errors.push({ field, code: 'required' })
  else if (typeof given !== 'string' && typeof given !== 'number') errors.push({ field, code: 'not_text' })
  if (errors.length > 0) throw new AppError('validation_failed', { errors })
  return String(given)
}

export function readIdempotencyKey(req: Request): string | null {
  const key = req.get('idempotency-key')
  if (key === undefined) return null
  if (!IDEMPOTENCY_KEY.test(key))
    throw new AppError('invalid_parameter', {
      detail: 'An Idempotency-Key has 1 to 255 printable characters.',
    })
  return key
}
