/** `/api/bots/requests/{hash}`: what the bot of a request reports and waits for. */
import { type Request, type RequestHandler, type Response, Router } from 'express'
import type { BotReports } from '../../core/actions/bot-reports.ts'
import type { BotWaits } from '../../core/actions/bot-waits.ts'
import type { RequestActions } from '../../core/actions/request-actions.ts'
import type { Catalog } from '../../core/catalog/catalog.ts'
import { askSchema } from '../../core/catalog/question.ts'
import { AppError } from '../../core/domain/errors.ts'
import type { RequestRecord } from '../../core/domain/record.ts'
import { MAX_STORED_DEPTH } from '../../core/records/json-limits.ts'
import type { RequestStore } from '../../core/store/request-store.ts'
import { botOf } from '../middleware/bot-token.ts'
import { methodNotAllowed } from '../middleware/errors.ts'
import { attemptOf, calledHash } from './bot-call.ts'
import { receiveFile } from './bot-files.ts'
import { askOptions, completeBody, failBody, progressBody, rejectBody } from './bot-report-schemas.ts'
import { jsonBody, MAX_REQUEST_BYTES, readObject } from './parse-json.ts'
import { parseWith } from './parse-with.ts'
import { MAX_WAIT_SECONDS, readQueryNumber } from './status.ts'

export interface BotRequestDeps {
  catalog: Pick<Catalog, 'ownerOf'>
  requests: Pick<RequestActions, 'view'>
  store: Pick<RequestStore, 'get'>
  reports: BotReports
  waits: BotWaits
  /** Aborts when the server stops: long polls end immediately. */
  stopping: AbortSignal
}

/** The token of LOCAL_API_TOKEN, which may act on every request. */
const DEFAULT_BOT = 'default'
/** The picture of a question has at most 64 kB, a third more in base64. */
const MAX_QUESTION_BODY_BYTES = 128 * 1024
/** More than a result that fits, so that one that does not is refused by what it is. */
const MAX_RESULT_BODY_BYTES = 1024 * 1024
const RESULT_LIMITS = { maxDepth: MAX_STORED_DEPTH + 2, maxMembers: 10_000, maxValues: 100_000 }

export function createBotRequestRoutes({
  catalog,
  requests,
  store,
  reports,
  waits,
  stopping,
}: BotRequestDeps): Router {
  const router = Router()

  /** @throws AppError `request_not_found` for a request of a service that another token owns, and as `store.get` */
  async function checkOwner(req: Request, res: Response): Promise<void> {
    const { record } = await store.get(calledHash(req))
    const bot = botOf(res)
    const isOwn = bot === DEFAULT_BOT || catalog.ownerOf(record.service_slug) === bot
    if (!isOwn) throw new AppError('request_not_found')
  }
  const requireOwn: RequestHandler = (req, res, next) => checkOwner(req, res).then(next)

  router.use((_req, res, next) => {
    res.set('Cache-Control', 'no-store')
    next()
  })
  router
    .route('/:hash')
    .get(requireOwn, async (req, res) => void res.json(await requests.view(calledHash(req))))
    .all(methodNotAllowed('GET', 'HEAD'))
  addReports(router, requireOwn, reports)
  router
    .route('/:hash/heartbeat')
    .post(requireOwn, async (req, res) => {
      await reports.heartbeat(calledHash(req), attemptOf(req))
      res.status(204).end()
    })
    .all(methodNotAllowed('POST'))

  router
    .route('/:hash/files')
    .post(requireOwn, ...receiveFile(reports))
    .all(methodNotAllowed('POST'))

  router
    .route('/:hash/answer')
    // It would take the answer and lose it.
    .head(methodNotAllowed('GET'))
    .get(requireOwn, async (req, res) => {
      const canResend = readFlag(req, 'resend') ?? true
      const attempt = { hash: calledHash(req), attempt: attemptOf(req) }
      const signal = waitSignal(req, res, stopping)
      sendFound(res, await waits.answer(attempt, { signal, canResend, isLeft: () => res.closed }))
    })
    .all(methodNotAllowed('GET'))
  router
    .route('/:hash/control')
    .head(methodNotAllowed('GET'))
    .get(async (req, res) => {
      const attempt = { hash: calledHash(req), attempt: attemptOf(req) }
      const signal = waitSignal(req, res, stopping)
      try {
        await checkOwner(req, res)
        const stop = await waits.stop(attempt, { signal })
        sendFound(res, stop && { stop })
      } catch (error) {
        if (!(error instanceof AppError && error.code === 'request_expired')) throw error
        sendFound(res, { stop: error.code })
      }
    })
    .all(methodNotAllowed('GET'))
  return router
}

/** What changes the record. */
function addReports(router: Router, requireOwn: RequestHandler, reports: BotReports): void {
  type Report = (hash: string, attempt: number, body: unknown) => Promise<object>
  function add(path: string, report: Report, parse = jsonBody(MAX_REQUEST_BYTES)): void {
    router
      .route(`/:hash/${path}`)
      .post(requireOwn, ...parse, async (req, res) => {
        res.json(await report(calledHash(req), attemptOf(req), readObject(req.body)))
      })
      .all(methodNotAllowed('POST'))
  }
  add('progress', async (hash, attempt, body) =>
    positionOf(await reports.progress(hash, attempt, parseWith(progressBody, body))),
  )
  const ask: Report = async (hash, attempt, body) => {
    const { resend } = parseWith(askOptions, body)
    const question = parseWith(askSchema, body, 'invalid_question')
    const { otp_data: prompt, updated_at } = await reports.ask(hash, attempt, { ...question, resend })
    // No try was left, and the request has failed.
    if (!prompt) throw new AppError('already_final')
    const { id, expires_at } = prompt
    return { id, expires_at, expires_in: (Date.parse(expires_at) - Date.parse(updated_at)) / 1000 }
  }
  add('ask', ask, jsonBody(MAX_QUESTION_BODY_BYTES))
  add('reject', async (hash, attempt, body) => {
    const record = await reports.reject(hash, attempt, parseWith(rejectBody, body))
    return {
      asks_again: record.status === 'otp_required',
      attempts_left: record.otp_data?.attempts_left ?? 0,
    }
  })
  add(
    'complete',
    async (hash, attempt, body) =>
      positionOf(await reports.complete(hash, attempt, parseWith(completeBody, body).result)),
    jsonBody(MAX_RESULT_BODY_BYTES, undefined, RESULT_LIMITS),
  )
  add('fail', async (hash, attempt, body) =>
    positionOf(await reports.fail(hash, attempt, parseWith(failBody, body))),
  )
}

const positionOf = ({ status, version }: RequestRecord) => ({ status, version })

/** @throws AppError `invalid_parameter` */
function readFlag(req: Request, name: string): boolean | null {
  const given = req.query[name]
  if (given === undefined) return null
  if (given === 'true' || given === 'false') return given === 'true'
  throw new AppError('invalid_parameter', { detail: `${name} must be true or false.` })
}

/** Aborts after `wait` seconds, when the caller disconnects, and when the server stops. */
function waitSignal(req: Request, res: Response, stopping: AbortSignal): AbortSignal {
  const seconds = readQueryNumber(req, 'wait', MAX_WAIT_SECONDS) ?? 0
  const over = new AbortController()
  const end = (): void => over.abort()
  if (seconds === 0 || stopping.aborted || res.closed) {
    end()
    return over.signal
  }
  const timer = setTimeout(end, seconds * 1000)
  stopping.addEventListener('abort', end)
  res.on('close', () => {
    clearTimeout(timer)
    stopping.removeEventListener('abort', end)
    end()
  })
  return over.signal
}

function sendFound(res: Response, found: object | null): void {
  if (found === null) res.status(204).end()
  else res.json(found)
}
