/**
 * What any Node program imports to report on a request: `createUpdater({ redis })`, then one call for each step.
 *
 *   const updater = await createUpdater({ redis: 'redis://127.0.0.1:6379' })
 *   await updater.updateProgress(hash, 30, 'authentication', 'Signing in…')
 *   await updater.markAsOtpRequired(hash, { sent_to: '0912***4567', length: 6 })
 *   const code = await updater.waitForOtp(hash)
 *   await updater.markAsCompleted(hash, { score: 712 })
 *
 * While Redis refuses writes (NOREPLICAS, MISCONF, BUSY, …) progress updates are dropped, and everything else is retried
 * until Redis accepts it, for 300 s at most. While Redis is away every call waits until it is back.
 *
 * A write that is too late (cancelled, expired, already final, taken over by a newer attempt) is refused: the call rejects
 * with an AppError that has the reason as its code, and the bot should stop.
 *
 * These methods write for the attempt that was current at the program's first write for the request. A long-running program
 * that may be called again for the same request binds each call to its attempt (the call's X-Attempt) instead:
 *
 *   const request = updater.bind(hash, () => attempt)
 *   await request.updateProgress(30)
 */

import { createOtpMailbox, type WaitForOtpOptions } from '../core/actions/otp-mailbox.ts'
import type { LocalizedMessage } from '../core/domain/message.ts'
import { isFinal } from '../core/domain/record.ts'
import { createChannelSubscriber } from '../core/pubsub/channel-subscriber.ts'
import { createRequestWatcher, type EncodedUpdate } from '../core/pubsub/request-watcher.ts'
import { startClock } from '../core/redis/clock.ts'
import { type ConnectionSettings, openRedis, type RedisClient } from '../core/redis/connect.ts'
import { createLog, type Log } from '../core/runtime/log.ts'
import type { RedisTarget } from '../core/runtime/redis-target.ts'
import { createRequestStore, type StoredRecord } from '../core/store/request-store.ts'
import { createBind, type OtpOptions, type RequestUpdater } from './request-updater.ts'

export type { OtpOptions, RequestUpdater }

export interface Updater {
  updateProgress(hash: string, ...report: Parameters<RequestUpdater['updateProgress']>): Promise<void>
  markAsOtpRequired(hash: string, otp?: OtpOptions): Promise<void>
  waitForOtp(hash: string, options?: WaitForOtpOptions): Promise<string>
  rejectOtp(hash: string, message?: string | LocalizedMessage): Promise<boolean>
  markAsCompleted(hash: string, result: unknown): Promise<void>
  markAsFailed(
    hash: string,
    message: string | LocalizedMessage,
    error?: { code?: string; retryable?: boolean },
  ): Promise<void>
  /**
   * The same methods bound to one request. `attempt` is read at each write; left out, the attempt at the first write counts.
   * Once `signal` aborts, a write that Redis refuses is not retried.
   */
  bind(hash: string, attempt?: () => number, signal?: AbortSignal): RequestUpdater
  /** The record of the request; null when it has expired. */
  read(hash: string): Promise<StoredRecord['record'] | null>
  /**
   * Calls back when this attempt has nothing more to do: its request is final or expired, or a newer attempt has taken
   * over. Resolves with a function that stops watching.
   */
  onEnd(hash: string, attempt: () => number, onEnded: (reason: EndReason) => void): Promise<() => void>
  /** Closes the connections it opened. */
  stop(): Promise<void>
}

export type EndReason = 'already_final' | 'request_expired' | 'stale_attempt'

export interface UpdaterOptions {
  /** A URL (`redis://…`, `unix://…`) or a target as in core/runtime/config.ts; the updater opens its own connections. */
  redis: string | RedisTarget
  /** Prefixes and timeouts, where they differ from the defaults. */
  connections?: ConnectionSettings
  /** REQUEST_TTL of the server. */
  ttlSeconds?: number
  log?: Log
}

/** How many requests the unbound methods keep the first attempt of. */
const MAX_UPDATERS = 1000

export const createUpdater = async (options: UpdaterOptions): Promise<Updater> =>
  (await openUpdater(options)).updater

/** An updater with its connection and clock. */
export async function openUpdater({
  redis,
  connections: settings,
  ttlSeconds = 1800,
  log = createLog('bot', 'warn'),
}: UpdaterOptions): Promise<{ updater: Updater; redis: RedisClient; now: () => number }> {
  const target: RedisTarget = typeof redis === 'string' ? { kind: 'single', url: redis } : redis
  const connections = await openRedis(target, log, settings)
  const commands = await connections.connect('patient')
  const subscriber = await connections.connect('subscriber')
  const clock = await startClock({ redis: commands, log })
  const stop = (): Promise<void> => {
    clock.stop()
    return connections.stop()
  }
  const now = (): number => clock.now()
  const updater = createUpdaterOn({ commands, subscriber, ttlSeconds, log, now, stop })
  return { updater, redis: commands, now }
}

function createUpdaterOn(deps: {
  commands: RedisClient
  subscriber: RedisClient
  ttlSeconds: number
  log: Log
  now: () => number
  stop: () => Promise<void>
}): Updater {
  const { now, ttlSeconds, log } = deps
  const store = createRequestStore({ redis: deps.commands, ttlSeconds, now, log: deps.log })
  const channels = createChannelSubscriber({
    redis: deps.commands,
    subscriber: deps.subscriber,
    log: deps.log,
  })
  const watcher = createRequestWatcher({ store, channels, log: deps.log, ttlSeconds, now })
  const otpMailbox = createOtpMailbox({ redis: deps.commands, channels, store, now })
  const bind = createBind({ store, otpMailbox, log })
  const updaters = new Map<string, RequestUpdater>()

  function updaterOf(hash: string): RequestUpdater {
    const present = updaters.get(hash)
    if (present) return present
    const bound = bind(hash)
    updaters.set(hash, bound)
    if (updaters.size > MAX_UPDATERS) updaters.delete(updaters.keys().next().value as string)
    return bound
  }

  return {
    updateProgress: (hash, ...rest) => updaterOf(hash).updateProgress(...rest),
    markAsOtpRequired: (hash, otp) => updaterOf(hash).markAsOtpRequired(otp),
    waitForOtp: (hash, options) => updaterOf(hash).waitForOtp(options),
    rejectOtp: (hash, message) => updaterOf(hash).rejectOtp(message),
    markAsCompleted: (hash, result) => updaterOf(hash).markAsCompleted(result),
    markAsFailed: (hash, message, error) => updaterOf(hash).markAsFailed(message, error),
    bind,
    read: async (hash) => (await store.read(hash))?.record ?? null,
    onEnd: async (hash, attempt, onEnded) => {
      const check = ({ view }: EncodedUpdate): void => {
        if (isFinal(view.status)) onEnded('already_final')
        else if (view.attempt > attempt()) onEnded('stale_attempt')
      }
      const watch = await watcher.watch(hash, {
        onUpdate: check,
        onExpired: () => onEnded('request_expired'),
      })
      check(watch.latest)
      return watch.stop
    },
    async stop() {
      watcher.stop()
      channels.stop()
      await deps.stop()
    },
  }
}
