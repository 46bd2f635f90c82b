/** `POST /api/local-requests`: submits one request or a batch. */
import type { Request, RequestHandler, Response } from 'express'
import { AppError, type FieldError } from '../../core/domain/errors.ts'
import type { PublicView } from '../../core/domain/record.ts'
import type { Log } from '../../core/runtime/log.ts'
import { callIdOf } from '../middleware/call-id.ts'
import { type Caller, callerOf } from '../middleware/caller.ts'
import { localeOf } from '../middleware/locale.ts'
import { paced, runSerially } from '../pace.ts'
import { type Problem, toProblem } from '../problem.ts'
import type { Submit, Submitted } from '../submit-request.ts'
import {
  bodyBytes,
  MAX_REQUEST_BYTES,
  parseSubmission,
  readIdempotencyKey,
  readObject,
  unknownFieldErrors,
} from './parse-json.ts'
import { retryAfterHeader } from './status.ts'

const MAX_BATCH_SIZE = 1000
export const MAX_BATCH_BYTES = 4 * 1024 * 1024
/** How much larger than the sent batch the problems in its response may be. */
const MAX_PROBLEM_BYTES = 62 * 1024
/** The part of the batch's size that counts for that: megabytes need no megabytes of problems. 0 for a compressed batch. */
const MAX_COUNTED_BODY_BYTES = 256 * 1024
/** The size of an entry whose problem has only status and code. */
const BRIEF_PROBLEM_BYTES = 72
/**
 * Entries of a batch are processed in slices: each step of a slice is one round trip to Redis. With a slow Redis a large
 * slice would exceed the command timeout of 700 ms, and valid requests would be refused. A slice doubles only while twice
 * its time is less than half of that.
 */
const MIN_SLICE = 5
const MAX_SLICE = 100
const FAST_SLICE_MS = 150
const SLOW_SLICE_MS = 300

type BriefProblem = Pick<Problem, 'status' | 'code'>
type Entry = { index: number; error: AppError } | { index: number; json: string }

interface SubmitRouteDeps {
  submit: Submit
  /** Counts a batch once, however often it is called. */
  limitBatches: RequestHandler
  log: Log
}

export function createSubmitRoute({ submit, limitBatches, log }: SubmitRouteDeps): RequestHandler {
  const submitOne = (
    body: Record<string, unknown>,
    from: Caller & { idempotencyKey: string | null },
  ): Promise<Submitted> => submit({ ...parseSubmission(body), ...from })

  /** A batch is many independent submits with one response: an invalid entry does not affect the others. */
  async function submitBatch(req: Request, res: Response, requests: unknown[]): Promise<void> {
    await callerOf(res).counted
    const key = readIdempotencyKey(req)
    const submitEntry = async (entry: unknown, i: number): Promise<Entry> => {
      try {
        if (Buffer.byteLength(JSON.stringify(entry)) > MAX_REQUEST_BYTES) throw tooLarge()
        const from = { ...callerOf(res), idempotencyKey: key === null ? null : `${key}\n${i}` }
        const submitted = await submitOne(readObject(entry, 'A request'), from)
        return {
          index: i,
          json: toJson(submitted, { index: i, ...(submitted.replayed && { replayed: true }) }),
        }
      } catch (error) {
        return { index: i, error: toEntryError(error, log, res) }
      }
    }
    const entries: Entry[] = []
    let size = MIN_SLICE
    while (entries.length < requests.length) {
      const from = entries.length
      const slice = requests.slice(from, from + size)
      await runSerially(async () => {
        const startedAt = performance.now()
        entries.push(
          ...(await Promise.all(slice.map((entry, i) => paced(() => submitEntry(entry, from + i))))),
        )
        size = nextSliceSize(size, performance.now() - startedAt)
      })
    }
    const refused = entries.filter((entry) => 'error' in entry).length
    const locale = localeOf(req)
    const countedBodyBytes =
      req.get('content-encoding') === undefined ? Math.min(bodyBytes(res), MAX_COUNTED_BODY_BYTES) : 0
    const limitProblem = limitProblems(countedBodyBytes + MAX_PROBLEM_BYTES - refused * BRIEF_PROBLEM_BYTES)
    const answers = await Promise.all(
      entries.map((entry) =>
        'error' in entry
          ? paced(() => {
              const problem = limitProblem(() => toProblem(entry.error, locale), entry.error)
              return JSON.stringify({ index: entry.index, problem })
            })
          : entry.json,
      ),
    )
    res.status(202).set('Cache-Control', 'no-store')
    const counts = `"accepted":${entries.length - refused},"refused":${refused}`
    await paced(() => res.type('json').send(`{${counts},"requests":[${answers.join()}]}`))
  }

  return async (req, res, next) => {
    const body = readObject(req.body)
    if ('requests' in body) {
      const requests = readBatch(body)
      return limitBatches(req, res, (error?: unknown) => {
        if (error) return next(error)
        submitBatch(req, res, requests).catch(next)
      })
    }
    if (bodyBytes(res) > MAX_REQUEST_BYTES) throw tooLarge()
    const submitted = await submitOne(body, { ...callerOf(res), idempotencyKey: readIdempotencyKey(req) })
    const { view } = submitted
    res
      .status(202)
      .location(requestUrls(view).status_url)
      .set('Retry-After', retryAfterHeader(view))
      .set('Cache-Control', 'no-store')
    if (submitted.replayed) res.set('Idempotency-Replayed', 'true')
    res.type('json').send(toJson(submitted))
  }
}

function toEntryError(error: unknown, log: Log, res: Response): AppError {
  if (error instanceof AppError) return error
  log.error({ call_id: callIdOf(res), err: error }, 'an entry of a batch failed')
  return new AppError('internal_error', { cause: error })
}

/**
 * Keeps the response from becoming much larger than the batch: once the problems have taken `maxBytes`, the remaining ones
 * get only status and code.
 */
function limitProblems(maxBytes: number) {
  let left = maxBytes
  return (createProblem: () => Problem, { code, status }: AppError): Problem | BriefProblem => {
    if (left > 0) {
      const problem = createProblem()
      left -= Buffer.byteLength(JSON.stringify(problem))
      if (left >= 0) return problem
    }
    return { status, code }
  }
}

/** As text: copies of an object with so many fields cost more than the rest of the answer. */
const toJson = ({ view, ownerToken }: Submitted, first: object = {}): string => {
  const own = { ...first, ...requestUrls(view), ...(ownerToken && { owner_token: ownerToken }) }
  return `${JSON.stringify(own).slice(0, -1)},${JSON.stringify(view).slice(1)}`
}

function requestUrls({ hash, service_slug }: PublicView) {
  const api = `/api/local-requests/${hash}`
  return {
    status_url: `${api}/status`,
    progress_url: `/services/${service_slug}/progress/${hash}`,
    events_url: `${api}/events`,
    result_url: `${api}/result`,
    cancel_url: `${api}/cancel`,
  }
}

function readBatch({ requests, ...others }: Record<string, unknown>): unknown[] {
  const errors: FieldError[] = unknownFieldErrors(others)
  const isBatch = Array.isArray(requests) && requests.length >= 1 && requests.length <= MAX_BATCH_SIZE
  if (!isBatch) errors.push({ field: 'requests', code: 'not_a_batch', params: { most: MAX_BATCH_SIZE } })
  if (errors.length > 0) throw new AppError('validation_failed', { errors })
  return requests as unknown[]
}

function nextSliceSize(size: number, ms: number): number {
  if (ms < FAST_SLICE_MS) return Math.min(size * 2, MAX_SLICE)
  return ms > SLOW_SLICE_MS ? Math.max(Math.floor(size / 2), MIN_SLICE) : size
}

const tooLarge = (): AppError => new AppError('body_too_large', { detail: 'A request has at most 64 kB.' })
