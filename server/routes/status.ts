/**
 * `GET …/status`: the request as it is; with `If-None-Match` only when it is newer than what the caller has; with
 * `after` and `wait` as soon as it is.
 */
import type { Request, RequestHandler, Response } from 'express'
import { z } from 'zod'
import { AppError } from '../../core/errors.ts'
import { isFinal, type PublicView } from '../../core/record.ts'
import type { LiveRequests } from '../../core/redis/live-requests.ts'
import type { Requests } from '../../core/requests.ts'

export const LONGEST_WAIT_SECONDS = 25

const wholeNumber = z
  .string()
  .regex(/^\d{1,9}$/)
  .transform(Number)

/**
 * The version is the state. While queued the place in the queue moves without a new version, so it belongs to the tag;
 * the estimate of the remaining time is a courtesy and does not.
 */
const tagOf = (view: PublicView): string =>
  view.queue_position === null ? `"${view.version}"` : `"${view.version}-${view.queue_position}"`

/** Seconds after which asking again makes sense. */
export const retryHint = (view: PublicView): string => (view.status === 'processing' ? '2' : '5')

export function createStatus({
  requests,
  live,
  stopping,
}: {
  requests: Requests
  live: LiveRequests
  stopping: AbortSignal
}): RequestHandler {
  return async (req, res) => {
    const hash = req.params.hash as string
    const tags =
      req
        .get('if-none-match')
        ?.split(',')
        .map((tag) => tag.trim().replace(/^W\//, '')) ?? []
    const after = readNumber(req, 'after') ?? newestOf(tags)
    const wait = readNumber(req, 'wait', LONGEST_WAIT_SECONDS) ?? 0

    const view = await requests.view(hash)
    if (wait === 0 || after === null || view.version > after) return answer(res, view, tags, after)
    const newer = await waitForNewer(live, hash, after, wait * 1000, res, stopping)
    answer(res, newer ?? view, tags, after)
  }
}

function answer(res: Response, view: PublicView, tags: string[], after: number | null): void {
  const tag = tagOf(view)
  res.set('ETag', tag).set('Cache-Control', 'no-store')
  if (!isFinal(view.status)) res.set('Retry-After', retryHint(view))
  const known =
    tags.includes(tag) || tags.includes('*') || (after !== null && tags.length === 0 && view.version <= after)
  if (known) return void res.status(304).end()
  res.type('json').send(JSON.stringify(view))
}

/** The newest version among the tags that the caller already has. */
function newestOf(tags: string[]): number | null {
  const versions = tags.map((tag) => Number.parseInt(tag.slice(1), 10)).filter(Number.isInteger)
  return versions.length > 0 ? Math.max(...versions) : null
}

function readNumber(req: Request, name: string, most = Number.MAX_SAFE_INTEGER): number | null {
  const given = req.query[name]
  if (given === undefined) return null
  const parsed = wholeNumber.safeParse(given)
  if (parsed.success && parsed.data <= most) return parsed.data
  const range = most === Number.MAX_SAFE_INTEGER ? 'a whole number' : `a whole number from 0 to ${most}`
  throw new AppError('invalid_parameter', { detail: `${name} must be ${range}.` })
}

/** Null when nothing newer came in time, or when nobody waits for it any more. */
async function waitForNewer(
  live: LiveRequests,
  hash: string,
  after: number,
  limitMs: number,
  res: Response,
  stopping: AbortSignal,
): Promise<PublicView | null> {
  const { promise, resolve, reject } = withResolvers<PublicView | null>()
  const done = (): void => resolve(null)
  const watch = await live.watch(hash, {
    update: ({ view }) => view.version > after && resolve(view),
    expired: () => reject(new AppError('request_expired')),
  })
  const timer = setTimeout(done, limitMs)
  res.on('close', done)
  stopping.addEventListener('abort', done)
  if (watch.latest.view.version > after) resolve(watch.latest.view)
  // Both may have happened while the watching began.
  if (stopping.aborted || res.closed) done()
  try {
    return await promise
  } finally {
    clearTimeout(timer)
    stopping.removeEventListener('abort', done)
    watch.stop()
  }
}

/** Promise.withResolvers, which Node 20 does not have. */
function withResolvers<T>() {
  let resolve!: (value: T) => void
  let reject!: (reason: unknown) => void
  const promise = new Promise<T>((ok, fail) => {
    resolve = ok
    reject = fail
  })
  return { promise, resolve, reject }
}
