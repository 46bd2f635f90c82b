/**
 * HTTP server of the bots. `POST /api/services/{slug}` runs the service's handler and answers when it ends. A second call
 * for the same hash joins the running one, which is aborted when its last caller disconnects.
 */
import { timingSafeEqual } from 'node:crypto'
import express, { type ErrorRequestHandler, type RequestHandler, type Response } from 'express'
import { z } from 'zod'
import { MAX_TEXT_ANSWER } from '../../core/domain/answer.ts'
import { AppError, type ErrorCode } from '../../core/domain/errors.ts'
import { isRequestHash } from '../../core/domain/request-id.ts'
import { exceededLimit } from '../../core/records/json-limits.ts'
import { describeCause } from '../../core/runtime/error-cause.ts'
import type { Log } from '../../core/runtime/log.ts'
import { BotFailure } from '../bot-failure.ts'
import type { BotResponse } from './bot-responses.ts'
import type { RunRegistry } from './run-registry.ts'

/** `otp` has no fixed form: it is a code, or the answer to another question, and handlers only pass it on. */
const callSchema = z
  .object({
    requestHash: z.string().refine(isRequestHash),
    otp: z.string().min(1).max(MAX_TEXT_ANSWER).optional(),
  })
  .catchall(z.unknown())

type SendAnswer = (res: Response, status: number, body: BotResponse) => void

const readBody = express.json({
  limit: '256kb',
  verify: (_req, _res, body, encoding) => {
    if (encoding !== 'utf-8') throw new AppError('unsupported_media_type')
    if (exceededLimit(body, { maxDepth: 100, maxMembers: 10_000, maxValues: 50_000 }))
      throw new AppError('body_too_large')
  },
})

/** How long a restart usually takes. */
const RESTART_SECONDS = 5

interface BotServerDeps {
  runs: RunRegistry
  token: string
  log: Log
}

export function createBotServer({ runs, token, log }: BotServerDeps): express.Express {
  const answer: SendAnswer = (res, status, body) => {
    // A client that calls again does so elsewhere, or here after the restart; no idle connection delays the stop.
    if (runs.isStopping) res.set('Connection', 'close')
    if (body.code === 'bot_stopping') res.set('Retry-After', String(RESTART_SECONDS))
    res.status(status).json(body)
  }
  const app = express()
  app.disable('x-powered-by')
  app.get('/health', (_req, res) => {
    res.json({ status: 'ok', running: runs.size, awaited: runs.pendingOtpSessions })
  })
  app.use(requireToken(token, answer))
  app.get('/api/services', (_req, res) => {
    res.json({ services: runs.services })
  })
  app.post('/api/services/:slug', readBody, runService(runs, answer))
  app.use((_req, res) => answer(res, 404, errorBody('not_found', 'There is nothing at this address.')))
  app.use(answerError(log, answer))
  return app
}

function runService(runs: RunRegistry, answer: SendAnswer): RequestHandler<{ slug: string }> {
  return async (req, res) => {
    const { slug } = req.params
    if (!runs.services.includes(slug)) {
      const message = `There is no bot service "${slug.slice(0, 100)}".`
      return answer(res, 404, errorBody('unknown_service', message))
    }
    const body = callSchema.safeParse(req.body)
    if (!body.success) {
      const message = 'requestHash is missing or no request hash, or otp is no text.'
      return answer(res, 422, errorBody('validation_failed', message))
    }
    const { requestHash, otp, ...data } = body.data
    const attempt = Number(req.get('x-attempt') ?? '')
    const caller = disconnectSignal(res)
    const result = await runs.run({
      slug,
      hash: requestHash,
      attempt: Number.isInteger(attempt) && attempt > 0 ? attempt : null,
      data,
      isResumed: req.get('x-resume') === 'true',
      traceparent: req.get('traceparent'),
      otp,
      caller,
    })
    if (!caller.aborted) answer(res, result.status === 'success' ? 200 : toHttpStatus(result.code), result)
  }
}

/** Aborts when the caller closes the connection before it is answered. */
function disconnectSignal(res: Response): AbortSignal {
  const abort = new AbortController()
  res.on('close', () => {
    if (!res.writableEnded)
      abort.abort(new BotFailure('caller_gone', 'The caller closed the connection.', { retryable: true }))
  })
  return abort.signal
}

function answerError(log: Log, answer: SendAnswer): ErrorRequestHandler {
  return (thrown: Error & { status?: number }, _req, res, _next) => {
    const status = thrown.status && thrown.status < 500 ? thrown.status : 500
    if (status === 500) log.error({ err: thrown }, 'a call failed')
    const code: ErrorCode = ERROR_CODES.get(status) ?? 'internal_error'
    // Not the parser's message: it quotes what was sent.
    const message = status === 500 ? 'Something went wrong.' : 'The body could not be read.'
    const cause = status === 500 ? { cause: describeCause(thrown) } : {}
    answer(res, status, { ...errorBody(code, message), retryable: status === 500, ...cause })
  }
}

const errorBody = (code: string, message: string) =>
  ({ status: 'error', code, message, retryable: false }) as const

const ERROR_CODES: ReadonlyMap<number, ErrorCode> = new Map([
  [400, 'invalid_json'],
  [413, 'body_too_large'],
  [415, 'unsupported_media_type'],
])

/** Bots work with personal data: a caller must know the token. Compared in constant time. */
function requireToken(token: string, answer: SendAnswer): RequestHandler {
  const expected = Buffer.from(`Bearer ${token}`)
  return (req, res, next) => {
    const given = Buffer.from(req.get('authorization') ?? '')
    if (given.length === expected.length && timingSafeEqual(given, expected)) return next()
    res.set('WWW-Authenticate', 'Bearer')
    answer(res, 401, errorBody('unauthorized', 'Send Authorization: Bearer with the LOCAL_API_TOKEN.'))
  }
}

/** The body says everything; the HTTP status is for clients that read nothing else. */
const toHttpStatus = (code: string): number => HTTP_STATUS.get(code) ?? 200
const HTTP_STATUS: ReadonlyMap<string, number> = new Map(
  Object.entries({
    request_not_found: 410,
    request_expired: 410,
    already_final: 409,
    stale_attempt: 409,
    bot_stopping: 503,
  }),
)
