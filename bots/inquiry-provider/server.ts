/**
 * The bots' HTTP side: `POST /api/services/{slug}` runs a service's handler and answers when it is done. One run a
 * request: a second call for the same hash joins the first, and the run stops when nobody waits for it any more.
 */
import { timingSafeEqual } from 'node:crypto'
import express, { type NextFunction, type Request, type Response } from 'express'
import { z } from 'zod'
import { AppError, type ErrorCode } from '../../core/domain/errors.ts'
import { isRequestHash } from '../../core/domain/request-id.ts'
import { exceededLimit } from '../../core/records/json-limits.ts'
import type { Log } from '../../core/runtime/log.ts'
import { BotFailure } from '../bot-failure.ts'
import type { BotAnswer } from './bot-responses.ts'
import type { RunRegistry } from './run-registry.ts'

/** A code is whatever a portal may have sent: handlers send it on, they don't read it. */
const call = z
  .object({ requestHash: z.string().refine(isRequestHash), otp: z.string().min(1).max(64).optional() })
  .catchall(z.unknown())

type Answer = (res: Response, status: number, body: BotAnswer) => void

const readBody = express.json({
  limit: '256kb',
  verify: (_req, _res, body, encoding) => {
    if (encoding !== 'utf-8') throw new AppError('unsupported_media_type')
    if (exceededLimit(body, { maxDepth: 100, maxMembers: 10_000, maxValues: 50_000 }))
      throw new AppError('body_too_large')
  },
})

/** What a restart usually takes. */
const BACK_AFTER_SECONDS = 5

export function createBotServer({
  runs,
  token,
  log,
}: {
  runs: RunRegistry
  token: string
  log: Log
}): express.Express {
  const answer: Answer = (res, status, body) => {
    // Whoever asks again does so elsewhere, or here once we are back; no idle connection holds us up.
    if (runs.stopping) res.set('Connection', 'close')
    if (body.code === 'bot_stopping') res.set('Retry-After', String(BACK_AFTER_SECONDS))
    res.status(status).json(body)
  }
  const app = express()
  app.disable('x-powered-by')

  app.get('/health', (_req, res) => {
    res.json({ status: 'ok', running: runs.size, awaited: runs.awaited })
  })
  app.use(requireToken(token, answer))
  app.get('/api/services', (_req, res) => {
    res.json({ services: runs.services })
  })
  app.post('/api/services/:slug', readBody, async (req, res) => {
    const slug = req.params.slug as string
    if (!runs.services.includes(slug)) {
      return void answer(res, 404, {
        status: 'error',
        code: 'unknown_service',
        message: `There is no bot service "${slug.slice(0, 100)}".`,
        retryable: false,
      })
    }
    const body = call.safeParse(req.body)
    if (!body.success) {
      return void answer(res, 422, {
        status: 'error',
        code: 'validation_failed',
        message: 'requestHash is missing or no request hash, or otp is no text.',
        retryable: false,
      })
    }
    const { requestHash, otp, ...data } = body.data
    const hangUp = new AbortController()
    res.on('close', () => {
      if (!res.writableEnded)
        hangUp.abort(new BotFailure('caller_gone', 'The caller closed the connection.', { retryable: true }))
    })
    const attempt = Number(req.get('x-attempt') ?? '')
    const result = await runs.run({
      slug,
      hash: requestHash,
      attempt: Number.isInteger(attempt) && attempt > 0 ? attempt : null,
      data: data as Record<string, string>,
      otp,
      caller: hangUp.signal,
    })
    if (!hangUp.signal.aborted) answer(res, result.status === 'success' ? 200 : statusOf(result.code), result)
  })
  app.use((_req, res) => {
    answer(res, 404, {
      status: 'error',
      code: 'not_found',
      message: 'There is nothing at this address.',
      retryable: false,
    })
  })
  app.use(
    (
      error: Error & { status?: number; type?: string },
      _req: Request,
      res: Response,
      _next: NextFunction,
    ) => {
      const status = error.status && error.status < 500 ? error.status : 500
      if (status === 500) log.error({ err: error }, 'a call failed')
      const code: ErrorCode = ERROR_CODES.get(status) ?? 'internal_error'
      answer(res, status, {
        status: 'error',
        code,
        // Not the parser's own words: they quote what was sent.
        message: status === 500 ? 'Something went wrong.' : 'The body could not be read.',
        retryable: status === 500,
      })
    },
  )
  return app
}

const ERROR_CODES: ReadonlyMap<number, ErrorCode> = new Map([
  [400, 'invalid_json'],
  [413, 'body_too_large'],
  [415, 'unsupported_media_type'],
])

/** Bots act on people's data: whoever calls must know the token. Compared in constant time. */
function requireToken(token: string, answer: Answer) {
  const expected = Buffer.from(`Bearer ${token}`)
  return (req: Request, res: Response, next: NextFunction) => {
    const given = Buffer.from(req.get('authorization') ?? '')
    if (given.length === expected.length && timingSafeEqual(given, expected)) return next()
    res.set('WWW-Authenticate', 'Bearer')
    answer(res, 401, {
      status: 'error',
      code: 'unauthorized',
      message: 'Send Authorization: Bearer with the LOCAL_API_TOKEN.',
      retryable: false,
    })
  }
}

/** The answer's own fields say all; the HTTP status only helps those who look at nothing else. */
const statusOf = (code: string): number => HTTP_STATUS.get(code) ?? 200
const HTTP_STATUS: ReadonlyMap<string, number> = new Map(
  Object.entries({
    request_not_found: 410,
    request_expired: 410,
    already_final: 409,
    stale_attempt: 409,
    bot_stopping: 503,
  }),
)
