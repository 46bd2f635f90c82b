/**
 * `GET …/status`: the current state of a request. With `If-None-Match` it answers 304 unless the state is newer; with `after`
 * and `wait` it is a long poll for a newer state.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Request, RequestHandler } from 'express'
import { z } from 'zod'
import type { RequestActions } from '../../core/actions/request-actions.ts'
import { AppError } from '../../core/domain/errors.ts'
import { isFinal, type PublicView } from '../../core/domain/record.ts'
import { isBotSeenSince } from '../../core/domain/view-times.ts'
import type { RequestWatcher } from '../../core/pubsub/request-watcher.ts'
import type { ServerMetrics } from '../server-metrics.ts'

export const MAX_WAIT_SECONDS = 25

const wholeNumber = z
  .string()
  .regex(/^\d{1,9}$/)
  .transform(Number)

/**
 * The version identifies the state. Queue position and hold change without a new version, so they are part of the tag, and so is
 * the sign of life of a bot that has not reported for long; the estimated remaining time is not.
 */
function etagOf(view: PublicView): string {
  if (view.queue_position !== null)
    return `"${view.version}-${view.queue_position}${view.queue_hold ? '-held' : ''}"`
  return isBotSeenSince(view) ? `"${view.version}-${view.bot_seen_at}"` : `"${view.version}"`
}

/** The Retry-After of a running request: seconds until the next poll is useful. */
export const retryAfterHeader = (view: PublicView): string => (view.status === 'processing' ? '2' : '5')

export interface StatusQuery {
  hash: string
  /** The ETags of the caller's If-None-Match. */
  tags: readonly string[]
  /** The version that the caller has; null when it has none. */
  after: number | null
  /** How long to wait for a newer version or another queue position; 0: do not wait. */
  waitSeconds: number
}

/**
 * @param headers a flat list of names and values, in addition to the headers already set
 * @throws AppError `request_not_found`, `request_expired`, `storage_unavailable`
 */
export type AnswerStatus = (
  res: ServerResponse,
  query: StatusQuery,
  headers?: readonly string[],
) => Promise<void>

export function createAnswerStatus({
  requests,
  watcher,
  stopping,
  counters,
}: {
  requests: RequestActions
  watcher: RequestWatcher
  /** Aborts when the server stops. */
  stopping: AbortSignal
  counters?: ServerMetrics['transports']
}): AnswerStatus {
  return async (res, { hash, tags, after, waitSeconds }, headers = []) => {
    const view = await requests.view(hash)
    if (waitSeconds === 0 || after === null || view.version > after) {
      const isNew = sendStatus(res, view, tags, after, headers)
      if (isNew && counters) counters.poll.deliveries++
      return
    }
    const counter = counters?.long_poll
    if (counter) counter.watchers++
    const newer = await waitForNewer(watcher, { hash, tags, after, waitSeconds }, res, stopping).finally(
      () => {
        if (counter) counter.watchers--
      },
    )
    sendStatus(res, newer ?? view, tags, newer ? null : after, headers)
    if (newer) counter?.pushed(newer)
  }
}

/** The route handler, for every variant of the call. @throws AppError `invalid_parameter` */
export const createStatus =
  (answerStatus: AnswerStatus): RequestHandler =>
  async (req, res) => {
    const tags = parseEtags(req)
    const after = readQueryNumber(req, 'after') ?? newestVersion(tags)
    const waitSeconds = readQueryNumber(req, 'wait', MAX_WAIT_SECONDS) ?? 0
    await answerStatus(res, { hash: req.params.hash as string, tags, after, waitSeconds })
  }

/** @returns false when the caller has this state already */
function sendStatus(
  res: ServerResponse,
  view: PublicView,
  tags: readonly string[],
  after: number | null,
  baseHeaders: readonly string[],
): boolean {
  const tag = etagOf(view)
  const headers = [...baseHeaders, 'ETag', tag, 'Cache-Control', 'no-store']
  if (!isFinal(view.status)) headers.push('Retry-After', retryAfterHeader(view))
  const known =
    tags.includes(tag) || tags.includes('*') || (after !== null && tags.length === 0 && view.version <= after)
  if (known) {
    res.writeHead(304, headers).end()
    return false
  }
  const json = JSON.stringify(view)
  headers.push(
    'Content-Type',
    'application/json; charset=utf-8',
    'Content-Length',
    String(Buffer.byteLength(json)),
  )
  res.writeHead(200, headers).end(json)
  return true
}

export const parseEtags = ({ headers }: IncomingMessage): string[] =>
  headers['if-none-match']?.split(',').map((tag) => tag.trim().replace(/^W\//, '')) ?? []

/** The newest version among the caller's tags. */
export function newestVersion(tags: readonly string[]): number | null {
  const versions = tags.map((tag) => Number.parseInt(tag.slice(1), 10)).filter(Number.isInteger)
  return versions.length > 0 ? Math.max(...versions) : null
}

/** @throws AppError `invalid_parameter` */
export function readQueryNumber(req: Request, name: string, max = Number.MAX_SAFE_INTEGER): number | null {
  const given = req.query[name]
  if (given === undefined) return null
  const parsed = wholeNumber.safeParse(given)
  if (parsed.success && parsed.data <= max) return parsed.data
  const range = max === Number.MAX_SAFE_INTEGER ? 'a whole number' : `a whole number from 0 to ${max}`
  throw new AppError('invalid_parameter', { detail: `${name} must be ${range}.` })
}

/** @returns null when nothing newer arrived in time, the client disconnected, or the server is stopping */
async function waitForNewer(
  watcher: RequestWatcher,
  { hash, tags, after, waitSeconds }: StatusQuery & { after: number },
  res: ServerResponse,
  stopping: AbortSignal,
): Promise<PublicView | null> {
  const { promise, resolve, reject } = withResolvers<PublicView | null>()
  const stopWaiting = (): void => resolve(null)
  const knownTags = new Set(tags)
  const isKnown = (view: PublicView): boolean =>
    view.version < after ||
    (view.version === after && (view.queue_position === null || knownTags.has(etagOf(view))))
  const subscription = await watcher.watch(hash, {
    onUpdate: ({ view }) => !isKnown(view) && resolve(view),
    onExpired: () => reject(new AppError('request_expired')),
  })
  const timer = setTimeout(stopWaiting, waitSeconds * 1000)
  res.on('close', stopWaiting)
  stopping.addEventListener('abort', stopWaiting)
  // Without a tag the caller's queue position is unknown: the position at the start of the wait counts as known.
  if (tags.length === 0 || tags.includes('*')) knownTags.add(etagOf(subscription.latest.view))
  if (!isKnown(subscription.latest.view)) resolve(subscription.latest.view)
  // Either may have happened before the listeners were added.
  if (stopping.aborted || res.closed) stopWaiting()
  try {
    return await promise
  } finally {
    clearTimeout(timer)
    stopping.removeEventListener('abort', stopWaiting)
    subscription.stop()
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
