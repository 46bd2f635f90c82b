/** What a bot service is: one folder in services/, whose index.ts exports `createHandler`. */

import type { Log } from '../../core/runtime/log.ts'
import type { RequestUpdater } from '../updater.ts'
import type { Parallel } from './parallel.ts'

/** One request as its handler sees it: the updater bound to this request, and when to stop. */
export interface BotRequest extends Omit<RequestUpdater, 'markAsCompleted' | 'markAsFailed'> {
  readonly hash: string
  /** Fires on cancel, expiry, take-over by another attempt's bot, a caller that hung up, and stop of the server. */
  readonly signal: AbortSignal
  /** Never log what the person typed. */
  readonly log: Log
  /** Runs tasks side by side, each shown as a part of the current step (parallel.ts). */
  readonly parallel: Parallel
}

/**
 * Does the work and returns the result, or throws a BotFailure. One that has had a code sent may return `smsSent(…)`
 * (sms-sent.ts) and is called again. `data` is the validated request data of the service's form.
 */
export type Handle = (data: Record<string, string>, request: BotRequest) => Promise<unknown>

/** What handlers are given besides: settings of this installation. */
export interface BotSettings {
  readonly demoPortalUrl: string
  readonly linkCheckAllowPrivate: boolean
}

/** A folder's index.ts exports `createHandler`. */
export type CreateHandler = (settings: BotSettings) => Handle
