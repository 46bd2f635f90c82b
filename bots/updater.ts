/**
 * What any Node program imports to report on a request: `createUpdater({ redis })`, and from then on one line a step.
 *
 *   const updater = await createUpdater({ redis: 'redis://127.0.0.1:6379' })
 *   await updater.updateProgress(hash, 30, 'authentication', 'Signing in…')
 *   await updater.markAsOtpRequired(hash, { sent_to: '0912***4567', length: 6 })
 *   const code = await updater.waitForOtp(hash)
 *   await updater.markAsCompleted(hash, { score: 712 })
 *
 * While Redis refuses writes for a moment (NOREPLICAS, MISCONF, BUSY, …) a report of progress is dropped, and everything else
 * is written as soon as Redis accepts it.
 *
 * A write that comes too late (cancelled, expired, already final, taken over by a newer attempt) is refused: the call
 * rejects with an AppError that names the reason, and the bot should stop.
 *
 * These calls work for the attempt that the program met first, for as long as it runs. A program that runs on and may
 * be called again for the same request says at the beginning of each call which attempt it is for, by the call's
 * X-Attempt, and reports through what it is given:
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
import type { RedisTarget } from '../core/runtime/config.ts'
import { createLog, type Log } from '../core/runtime/log.ts'
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
   * The same, bound to one request. `attempt` is asked for at each write; left out, it is the one found first. What Redis
   * refuses is not tried again once `signal` aborts.
   */
  bind(hash: string, attempt?: () => number, signal?: AbortSignal): RequestUpdater
  /** The request as it stands, for a bot that wants to look; null when it is gone. */
  read(hash: string): Promise<StoredRecord['record'] | null>
  /**
   * Calls back when this attempt has nothing more to do: the request has ended (wherever that was decided), its time
   * is over, or a newer attempt has taken it over. Resolves with the way to stop listening.
   */
  onEnd(hash: string, attempt: () => number, ended: (why: EndReason) => void): Promise<() => void>
  /** Closes the connections it opened. */
  stop(): Promise<void>
}

export type EndReason = 'already_final' | 'request_expired' | 'stale_attempt'

export interface UpdaterOptions {
  /** An address (`redis://…`, `unix://…`) or settings as in core/runtime/config.ts; the updater opens its own connections. */
  redis: string | RedisTarget
  /** Prefixes and time limits, where the installation has set its own. */
  connections?: ConnectionSettings
  /** The life of a record in seconds, as the server has it. */
  ttlSeconds?: number
  log?: Log
}

/** Of how many requests the plain calls remember which attempt they met first. */
const REMEMBERED = 1000

export async function createUpdater({
  redis,
  connections: settings,
  ttlSeconds = 1800,
  log = createLog('bot', 'warn'),
}: UpdaterOptions): Promise<Updater> {
  const target: RedisTarget = typeof redis === 'string' ? { kind: 'single', url: redis } : redis
  const connections = await openRedis(target, log, settings)
  const commands = await connections.connect('patient')
  const subscriber = await connections.connect('subscriber')
  const clock = await startClock({ redis: commands, log })
  const stop = (): Promise<void> => {
    clock.stop()
    return connections.stop()
  }
  return createUpdaterOn({ commands, subscriber, ttlSeconds, log, now: () => clock.now(), stop })
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
  const bus = createChannelSubscriber({ redis: deps.commands, subscriber: deps.subscriber, log: deps.log })
  const live = createRequestWatcher({ store, bus, log: deps.log, ttlSeconds, now })
  const otpBox = createOtpMailbox({ redis: deps.commands, bus, store, now })
  const plain = new Map<string, RequestUpdater>()

  const bind = createBind({ store, otpBox, log })

  const of = (hash: string): RequestUpdater => {
    const present = plain.get(hash)
    if (present) return present
    const bound = bind(hash)
    plain.set(hash, bound)
    if (plain.size > REMEMBERED) plain.delete(plain.keys().next().value as string)
    return bound
  }

  return {
    updateProgress: (hash, ...rest) => of(hash).updateProgress(...rest),
    markAsOtpRequired: (hash, otp) => of(hash).markAsOtpRequired(otp),
    waitForOtp: (hash, options) => of(hash).waitForOtp(options),
    rejectOtp: (hash, message) => of(hash).rejectOtp(message),
    markAsCompleted: (hash, result) => of(hash).markAsCompleted(result),
    markAsFailed: (hash, message, error) => of(hash).markAsFailed(message, error),
    bind,
    read: async (hash) => (await store.read(hash))?.record ?? null,
    onEnd: async (hash, attempt, ended) => {
      const look = ({ view }: EncodedUpdate): void => {
        if (isFinal(view.status)) ended('already_final')
        else if (view.attempt > attempt()) ended('stale_attempt')
      }
      const watch = await live.watch(hash, { update: look, expired: () => ended('request_expired') })
      look(watch.latest)
      return watch.stop
    },
    async stop() {
      live.stop()
      bus.stop()
      await deps.stop()
    },
  }
}
