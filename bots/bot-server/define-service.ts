/** A bot service is a folder in services/ whose index.ts exports `createHandler`. */

import type { Log } from '../../core/runtime/log.ts'
import type { RequestUpdater } from '../updater.ts'
import type { Parallel } from './parallel.ts'

/** What a handler is given: the updater bound to its request, and a signal to stop. */
export interface BotRequest extends Omit<RequestUpdater, 'markAsCompleted' | 'markAsFailed'> {
  readonly hash: string
  /** Fires on cancel, expiry, take-over by a newer attempt, disconnect of the caller, and stop of the server. */
  readonly signal: AbortSignal
  /** Never log what the submitter typed. */
  readonly log: Log
  /** Runs tasks concurrently, each shown as a substep of the current step (parallel.ts). */
  readonly parallel: Parallel
}

/**
 * Does the work and returns the result, or throws a BotFailure. After having a code sent it may return `smsSent(…)`
 * (sms-sent.ts). `data` is the validated request data of the service's form.
 */
export type Handle = (data: Record<string, string>, request: BotRequest) => Promise<unknown>

/** Settings of the installation. */
export interface BotSettings {
  readonly demoPortalUrl: string
  readonly linkCheckAllowPrivate: boolean
}

export type CreateHandler = (settings: BotSettings) => Handle
