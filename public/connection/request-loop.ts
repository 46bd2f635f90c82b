/** Asking over HTTP, again and again: what event stream and poll have in common. */
import type { PublicView } from '../../core/domain/record.ts'
import { endOf, jittered, type TransportEvents, type TransportHandle, type WatchTarget } from './transport.ts'

/** After the first failure; doubled with each that follows. */
const AGAIN_MS = 1000
const LONGEST_AGAIN_MS = 30_000
/** What held for so long before it failed begins to count anew. */
const LASTED_MS = 10_000
/** A server may ask for more: by then the request is over, or worth another look. */
const LONGEST_PAUSE_MS = 300_000

export interface Attempt {
  readonly signal: AbortSignal
  /** From now on; called again, what was said before does not count. */
  setTimeoutMs(ms: number): void
}

/** What the server, or something before it, answered instead of the request. */
class Refusal extends Error {
  readonly code: unknown
  readonly pauseMs: number
  constructor(status: number, code: unknown, pauseMs: number) {
    super(`status ${status}`)
    this.code = code
    this.pauseMs = pauseMs
  }
}

/**
 * @param attempt resolves with the milliseconds until the next one; rejects when it failed
 * @param longestAgainMs at most so much, give or take a half, lies between two failures
 */
export function startRequestLoop(
  ears: Pick<TransportEvents, 'down' | 'end'>,
  attempt: (attempt: Attempt) => Promise<number>,
  { firstAfterMs = 0, longestAgainMs = LONGEST_AGAIN_MS } = {},
): TransportHandle {
  let failures = 0
  let stopCurrent = wait(firstAfterMs)

  function wait(ms: number): () => void {
    const timer = setTimeout(() => {
      stopCurrent = ask()
    }, ms)
    return () => clearTimeout(timer)
  }

  function ask(): () => void {
    const abort = new AbortController()
    const startedAt = performance.now()
    let limit: ReturnType<typeof setTimeout> | undefined
    let isStopped = false
    const setTimeoutMs = (ms: number): void => {
      clearTimeout(limit)
      if (!isStopped) limit = setTimeout(() => abort.abort(), ms)
    }
    const stop = (): void => {
      isStopped = true
      clearTimeout(limit)
      abort.abort()
    }
    attempt({ signal: abort.signal, setTimeoutMs }).then(
      (ms) => {
        if (isStopped) return
        stop()
        failures = 0
        stopCurrent = wait(ms)
      },
      (error: unknown) => {
        if (isStopped) return
        stop()
        const isUnanswered = !(error instanceof Refusal)
        const { code, pauseMs } = isUnanswered ? { code: null, pauseMs: 0 } : error
        const end = endOf(code)
        if (end) return ears.end(end)
        if (performance.now() - startedAt > LASTED_MS) failures = 0
        const againMs = jittered(Math.min(longestAgainMs, AGAIN_MS * 2 ** failures++))
        const waitMs = pauseMs > 0 ? pauseMs + jittered(AGAIN_MS / 2) : againMs
        stopCurrent = wait(waitMs)
        ears.down({ pauseMs: pauseMs > 0 ? waitMs : 0, code, isUnanswered })
      },
    )
    return stop
  }

  return {
    check() {
      stopCurrent()
      failures = 0
      stopCurrent = ask()
    },
    stop: () => stopCurrent(),
  }
}

export const JSON_HEADERS = { Accept: 'application/json' }

/**
 * @param request whose token goes along, if it has one
 * @returns what was asked for, or 304; everything else is thrown
 */
export async function get(
  { ownerToken }: WatchTarget,
  address: string,
  headers: Record<string, string>,
  signal: AbortSignal,
): Promise<Response> {
  const credentials: Record<string, string> = ownerToken ? { Authorization: `Bearer ${ownerToken}` } : {}
  const answer = await fetch(address, { headers: { ...headers, ...credentials }, cache: 'no-store', signal })
  if (answer.ok || answer.status === 304) return answer
  const problem = (await answer.json().catch(() => null)) as { code?: unknown } | null
  throw new Refusal(answer.status, problem?.code, pauseMsOf(answer))
}

/** A network that wants people to log in first answers everything, with something else. */
export async function readView(answer: Response, { hash }: WatchTarget): Promise<PublicView> {
  const view = (await answer.json()) as PublicView
  if (view?.hash !== hash) throw new Error('this is not the request')
  return view
}

/** Seconds or a date; 0 when nothing sensible was asked for. */
function pauseMsOf(answer: Response): number {
  const asked = answer.headers.get('Retry-After') ?? ''
  const ms = /^\d+$/.test(asked) ? Number(asked) * 1000 : Date.parse(asked) - Date.now()
  return ms > 0 ? Math.min(ms, LONGEST_PAUSE_MS) : 0
}
