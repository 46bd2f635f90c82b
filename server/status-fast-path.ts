/**
 * Answers `GET …/status`, the call that clients repeat, before Express: Express and its middleware cost several times as
 * much as the answer itself. Only the plain call is answered here. Calls with options, from other origins or with an error
 * go on to the app, whose route uses the same code.
 */
import { IncomingMessage, type RequestListener, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import type { Express, RequestHandler } from 'express'
import { isRequestHash } from '../core/domain/request-id.ts'
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
  headers: readonly string[],
): RequestListener {
  return (req, res) => {
    const hash = matchPlainStatus(req)
    if (hash === null) return app(req, res)
    const tags = parseEtags(req)
    answerStatus(res, { hash, tags, after: newestVersion(tags), waitSeconds: 0 }, headers).catch(
      (error: unknown) => {
        failures.set(req, error)
        app(req, res)
      },
    )
  }
}

/** @returns the hash; null when the address or a header asks for more than the current state, or an Origin needs checking */
function matchPlainStatus({ method, url = '', headers }: IncomingMessage): string | null {
  if (method !== 'GET' || !url.startsWith(PATH_PREFIX) || !url.endsWith(PATH_SUFFIX)) return null
  if (headers.origin !== undefined) return null
  const hash = url.slice(PATH_PREFIX.length, -PATH_SUFFIX.length)
  return isRequestHash(hash) ? hash : null
}

/** The headers that this middleware sets on every response, as the flat list that `writeHead` takes without checking each. */
export function captureHeaders(...middleware: RequestHandler[]): string[] {
  const req = new IncomingMessage(new Socket())
  const res = new ServerResponse(req)
  for (const set of middleware) set(req as never, res as never, () => {})
  return Object.entries(res.getHeaders()).flatMap(([name, value]) => [name, String(value)])
}
