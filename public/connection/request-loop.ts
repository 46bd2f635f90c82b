/** Repeats an HTTP request with retries: shared by the event stream and the polls. */
import type { PublicView } from '../../core/domain/record.ts'
import {
  jittered,
  type TransportEvents,
  type TransportHandle,
  toCloseReason,
  type WatchTarget,
} from './transport.ts'

/** Before the first retry; doubled with each failure that follows. */
const RETRY_MS = 1000
const MAX_RETRY_MS = 30_000
/** A request that lasted this long before it failed resets the count of failures. */
const LASTED_MS = 10_000
/** Limits `Retry-After`: after five minutes the request is over, or worth another look. */
const MAX_PAUSE_MS = 300_000

export interface Attempt {
  readonly signal: AbortSignal
  /** Aborts the attempt in `ms` from now; a later call replaces the earlier one. */
  setTimeoutMs(ms: number): void
}

/** The server, or a proxy before it, answered with an error. */
class ErrorResponse extends Error {
  readonly code: unknown
  readonly pauseMs: number
  constructor(status: number, code: unknown, pauseMs: number) {
    super(`status ${status}`)
    this.code = code
    this.pauseMs = pauseMs
  }
}

/**
 * @param attempt resolves with the milliseconds until the next attempt; rejects when it failed
 * @param maxRetryMs limits the time between two failed attempts, before jitter of half up or down
 */
export function startRequestLoop(
  events: Pick<TransportEvents, 'down' | 'end'>,
  attempt: (attempt: Attempt) => Promise<number>,
  { firstAfterMs = 0, maxRetryMs = MAX_RETRY_MS } = {},
): TransportHandle {
  let failures = 0
  let stopCurrent = runAfter(firstAfterMs)

  function runAfter(ms: number): () => void {
    const timer = setTimeout(() => {
      stopCurrent = run()
    }, ms)
    return () => clearTimeout(timer)
  }

  function run(): () => void {
    const abort = new AbortController()
    const startedAt = performance.now()
    let timeout: ReturnType<typeof setTimeout> | undefined
    let isStopped = false
    const setTimeoutMs = (ms: number): void => {
      clearTimeout(timeout)
      if (!isStopped) timeout = setTimeout(() => abort.abort(), ms)
    }
    const stop = (): void => {
      isStopped = true
      clearTimeout(timeout)
      abort.abort()
    }
    attempt({ signal: abort.signal, setTimeoutMs }).then(
      (ms) => {
        if (isStopped) return
        stop()
        failures = 0
        stopCurrent = runAfter(ms)
      },
      (error: unknown) => {
        if (isStopped) return
        stop()
        const isUnanswered = !(error instanceof ErrorResponse)
        const { code, pauseMs } = isUnanswered ? { code: null, pauseMs: 0 } : error
        const reason = toCloseReason(code)
        if (reason) return events.end(reason)
        if (performance.now() - startedAt > LASTED_MS) failures = 0
        const retryMs = jittered(Math.min(maxRetryMs, RETRY_MS * 2 ** failures++))
        const waitMs = pauseMs > 0 ? pauseMs + jittered(RETRY_MS / 2) : retryMs
        stopCurrent = runAfter(waitMs)
        events.down({ pauseMs: pauseMs > 0 ? waitMs : 0, code, isUnanswered })
      },
    )
    return stop
  }

  return {
    check() {
      stopCurrent()
      failures = 0
      stopCurrent = run()
    },
    stop: () => stopCurrent(),
  }
}

export const JSON_HEADERS = { Accept: 'application/json' }

/**
 * Sends the owner token along, if there is one.
 *
 * @returns a success or 304
 * @throws on any other status
 */
export async function get(
  { ownerToken }: WatchTarget,
  url: string,
  headers: Record<string, string>,
  signal: AbortSignal,
): Promise<Response> {
  const credentials: Record<string, string> = ownerToken ? { Authorization: `Bearer ${ownerToken}` } : {}
  const response = await fetch(url, { headers: { ...headers, ...credentials }, cache: 'no-store', signal })
  if (response.ok || response.status === 304) return response
  const problem = (await response.json().catch(() => null)) as { code?: unknown } | null
  throw new ErrorResponse(response.status, problem?.code, parseRetryAfter(response))
}

/** Checks the hash, because a captive portal answers every request with its login page. */
export async function readView(response: Response, { hash }: WatchTarget): Promise<PublicView> {
  const view = (await response.json()) as PublicView
  if (view?.hash !== hash) throw new Error('another request')
  return view
}

/** `Retry-After` in milliseconds, given as seconds or a date; 0 when missing or invalid. */
function parseRetryAfter(response: Response): number {
  const value = response.headers.get('Retry-After') ?? ''
  const ms = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - Date.now()
  return ms > 0 ? Math.min(ms, MAX_PAUSE_MS) : 0
}
