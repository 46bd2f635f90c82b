/**
 * The one call that everybody repeats, answered before Express sees it: Express, and what stands there before every call,
 * cost several times what the answer does. Only its plain form is taken: whatever asks for more, may not be answered to
 * everybody, or goes wrong, goes on to the app, where the same route answers it.
 */
import { IncomingMessage, type RequestListener, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import type { Express, RequestHandler } from 'express'
import { isRequestHash } from '../core/domain/request-id.ts'
import { type AnswerStatus, newestVersion, parseEtags } from './routes/status.ts'

const PATH_PREFIX = '/api/local-requests/'
const PATH_SUFFIX = '/status'

/** Why a call that was begun here could not be answered; the app tells it. */
const failures = new WeakMap<IncomingMessage, unknown>()
export const rethrow: RequestHandler = (req, _res, next) => next(failures.get(req))

/** @param headers what every answer of the app begins with */
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

/** The hash; null where the address or a header asks for more than how it stands now. A page of another site says whose it is. */
function matchPlainStatus({ method, url = '', headers }: IncomingMessage): string | null {
  if (method !== 'GET' || !url.startsWith(PATH_PREFIX) || !url.endsWith(PATH_SUFFIX)) return null
  if (headers.origin !== undefined) return null
  const hash = url.slice(PATH_PREFIX.length, -PATH_SUFFIX.length)
  return isRequestHash(hash) ? hash : null
}

/** The headers that these set on any answer, as pairs in a row: what Node takes without looking at each again. */
export function captureHeaders(...middleware: RequestHandler[]): string[] {
  const req = new IncomingMessage(new Socket())
  const res = new ServerResponse(req)
  for (const set of middleware) set(req as never, res as never, () => {})
  return Object.entries(res.getHeaders()).flatMap(([name, value]) => [name, String(value)])
}
