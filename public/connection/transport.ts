/** A transport delivers the states of one request to the page. Once started it retries by itself until it is stopped. */
import type { PublicView } from '../../core/domain/record.ts'

export type Transport = (target: WatchTarget, events: TransportEvents) => TransportHandle

/** The request to watch. */
export interface WatchTarget {
  hash: string
  /** From the response to the submit; needed where only the submitter has access and no cookie identifies them. */
  ownerToken?: string
  /** Absolute, since the page may belong to another site. */
  statusUrl: string
  /** The version shown now. */
  version(): number
}

export interface TransportEvents {
  view(view: PublicView): void
  /** Something has come over the transport, whether or not it was a newer view. */
  up(): void
  /** It does not work, or no longer, and retries by itself. */
  down(failure?: TransportFailure): void
  /** The server has lost its storage, or has it back: until then the page may be out of date. */
  degraded(isDegraded: boolean): void
  /** No transport will deliver anything more. */
  end(reason: CloseReason): void
}

export interface TransportFailure {
  /** How long the transport waits before its next try because the server asked for it. */
  pauseMs?: number
  /** The server's error code. */
  code?: unknown
  /** Nothing was answered, not even by a proxy. */
  isUnanswered?: boolean
}

export interface TransportHandle {
  /** Checks immediately: what it waits for may have come, and an open connection may be dead. */
  check(): void
  stop(): void
}

export type CloseReason = 'gone' | 'not_owner'

/**
 * Only the server's error code ends a connection: a 404 or 403 may also come from a proxy while its server is being
 * replaced.
 */
export function toCloseReason(code: unknown): CloseReason | null {
  if (code === 'request_not_found' || code === 'request_expired') return 'gone'
  return code === 'not_owner' ? code : null
}

/** Half to one and a half times as long, so that pages which lost the same server do not all return in one moment. */
export const jittered = (ms: number): number => ms * (0.5 + Math.random())
