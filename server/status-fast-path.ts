/**
 * Answers `GET …/status`, the call that clients repeat, before Express: Express and its middleware cost several times as
 * much as the answer itself. Only the plain call is answered here. Calls with options, from other origins or with an error
 * go on to the app, whose route uses the same code.
 */
import type { IncomingMessage, RequestListener } from 'node:http'
import type { Express, RequestHandler } from 'express'
import { isRequestHash } from '../core/domain/request-id.ts'
import type { CountRead } from './middleware/address-limits.ts'
import { CALL_ID_HEADER, createCallId } from './middleware/call-id.ts'
import type { RefuseHost } from './middleware/host.ts'
import { type AnswerStatus, newestVersion, parseEtags } from './routes/status.ts'

const PATH_PREFIX = '/api/local-requests/'
const PATH_SUFFIX = '/status'

/** Errors of calls that started here, for the app to answer. */
const failures = new WeakMap<IncomingMessage, unknown>()
export const rethrow: RequestHandler = (req, _res, next) => next(failures.get(req))

/** @param headers the headers of every response of the app */
export function createStatusFastPath(
  app: Express,
  answerStatus: AnswerStatus,
  {
    headers,
    refuseHost,
    countRead,
  }: { headers: readonly string[]; refuseHost: RefuseHost; countRead: CountRead },
): RequestListener {
  return (req, res) => {
    const hash = matchPlainStatus(req)
    if (hash === null || refuseHost(req)) return app(req, res)
    const fail = (error: unknown): void => {
      failures.set(req, error)
      app(req, res)
    }
    try {
      countRead(req)
    } catch (error) {
      return fail(error)
    }
    const tags = parseEtags(req)
    const withId = [...headers, CALL_ID_HEADER, createCallId(req)]
    answerStatus(res, { hash, tags, after: newestVersion(tags), waitSeconds: 0 }, withId).catch(fail)
  }
}

/** @returns the hash; null when the address or a header asks for more than the current state, or an Origin needs checking */
function matchPlainStatus({ method, url = '', headers }: IncomingMessage): string | null {
  if (method !== 'GET' || !url.startsWith(PATH_PREFIX) || !url.endsWith(PATH_SUFFIX)) return null
  if (headers.origin !== undefined) return null
  const hash = url.slice(PATH_PREFIX.length, -PATH_SUFFIX.length)
  return isRequestHash(hash) ? hash : null
}
