/** A way of hearing about a request: started with ears, it goes on trying until it is stopped. */
import type { PublicView } from '../../core/domain/record.ts'

export type Transport = (request: WatchTarget, ears: TransportEvents) => TransportHandle

/** The request that is heard about. */
export interface WatchTarget {
  hash: string
  /** What the submit was answered with, where only the submitter may look and no cookie says who that is. */
  ownerToken?: string
  /** With its origin: the page may be somebody else's. */
  statusUrl: string
  /** The version shown now. */
  version(): number
}

export interface TransportEvents {
  view(view: PublicView): void
  /** The way delivers, or would if there were something. */
  up(): void
  /** It does not, or not any more, and tries again by itself. */
  down(failure?: Failure): void
  /** The server has lost sight of its storage, or sees it again: what is shown may be out of date meanwhile. */
  degraded(isDegraded: boolean): void
  /** No way will ever hear more. */
  end(why: CloseReason): void
}

export interface Failure {
  /** How long the way waits before it tries again, because the server asked for it. */
  pauseMs?: number
  /** The server's own word for what is wrong. */
  code?: unknown
  /** Nothing came back, not even from a proxy. */
  isUnanswered?: boolean
}

export interface TransportHandle {
  /** Asks at once: what it waits for may have come, and what it holds may be dead. */
  check(): void
  stop(): void
}

/** A transport in use, and its state. */
export interface ActiveTransport {
  readonly way: Transport
  running?: TransportHandle
  isUp: boolean
  /** The newest version that it has delivered. */
  heard: number
  /** How often it was found lagging. */
  lags: number
  /** Starts the next one, unless this one is back by then; or this one, when it has been left for a while. */
  timer?: ReturnType<typeof setTimeout>
}

export type CloseReason = 'gone' | 'not_owner'

/**
 * The server's own word alone ends it, by its code: a 404 or 403 may also come from a proxy whose server is being
 * replaced.
 */
export function endOf(code: unknown): CloseReason | null {
  if (code === 'request_not_found' || code === 'request_expired') return 'gone'
  return code === 'not_owner' ? code : null
}

/** Not all pages at once: they were all cut off by the same server. From half as long to half as long again. */
export const jittered = (ms: number): number => ms * (0.5 + Math.random())
