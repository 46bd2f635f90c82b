/**
 * What any Node program imports to report on a request: `createUpdater({ redis })`, then one call for each step. With
 * `createUpdater({ url, token })` it needs no Redis: it calls the server at `url` with the token of a bot.
 *
 *   const updater = await createUpdater({ redis: 'redis://127.0.0.1:6379' })
 *   await updater.updateProgress(hash, 30, 'authentication', 'Signing in…')
 *   const code = await updater.ask(hash, { kind: 'code', sentTo: '0912***4567', length: 6 })
 *   await updater.markAsCompleted(hash, { score: 712 })
 *
 * While Redis refuses writes (NOREPLICAS, MISCONF, BUSY, …) progress updates and heartbeats are dropped, and everything else is retried
 * until Redis accepts it, for 300 s at most. While Redis is away every call waits until it is back. Over HTTP, the same holds
 * for a server that does not answer or that answers 503.
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

import { createBotReports } from '../core/actions/bot-reports.ts'
import { createOtpMailbox } from '../core/actions/otp-mailbox.ts'
import { isFinal } from '../core/domain/record.ts'
import { createChannelSubscriber } from '../core/pubsub/channel-subscriber.ts'
import { createRequestWatcher, type EncodedUpdate } from '../core/pubsub/request-watcher.ts'
import { startClock } from '../core/redis/clock.ts'
import { type ConnectionSettings, openRedis, type RedisClient } from '../core/redis/connect.ts'
import { createLog, type Log } from '../core/runtime/log.ts'
import type { RedisTarget } from '../core/runtime/redis-target.ts'
import { createRequestFiles } from '../core/store/request-files.ts'
import { createRequestStore } from '../core/store/request-store.ts'
import type { WriteObserver } from '../core/store/write-observer.ts'
import type { TraceWrite } from '../core/store/write-traces.ts'
import { createHttpUpdater } from './http-updater.ts'
import {
  createBind,
  type NewFile,
  type OtpOptions,
  type RequestUpdater,
  type StoredFile,
} from './request-updater.ts'
import { createUnboundMethods, type EndReason, type Updater } from './updater-interface.ts'

export type { EndReason, NewFile, OtpOptions, RequestUpdater, StoredFile, Updater }

export interface RedisUpdaterOptions {
  /** A URL (`redis://…`, `unix://…`) or a target as in core/runtime/config.ts; the updater opens its own connections. */
  redis: string | RedisTarget
  /** Prefixes and timeouts, where they differ from the defaults. */
  connections?: ConnectionSettings
  /** REQUEST_TTL of the server. */
  ttlSeconds?: number
  log?: Log
  /** Counts its writes. */
  observer?: WriteObserver
  /** Makes a span of each write. */
  traceWrite?: TraceWrite
}

export interface HttpUpdaterOptions {
  /** The address of the server: `http://host:port`. */
  url: string
  /** LOCAL_API_TOKEN, or one of BOT_TOKENS. */
  token: string
  log?: Log
}

export const createUpdater = async (options: RedisUpdaterOptions | HttpUpdaterOptions): Promise<Updater> =>
  'url' in options
    ? createHttpUpdater({ log: createLog('bot', 'warn'), ...options })
    : (await openUpdater(options)).updater

/** An updater over Redis, with its connection and clock. */
export async function openUpdater({
  redis,
  connections: settings,
  ttlSeconds = 1800,
  log = createLog('bot', 'warn'),
  observer,
  traceWrite,
}: RedisUpdaterOptions): Promise<{ updater: Updater; redis: RedisClient; now: () => number }> {
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
  const updater = createUpdaterOn({ commands, subscriber, ttlSeconds, log, observer, traceWrite, now, stop })
  return { updater, redis: commands, now }
}

function createUpdaterOn(deps: {
  commands: RedisClient
  subscriber: RedisClient
  ttlSeconds: number
  log: Log
  observer?: WriteObserver
  traceWrite?: TraceWrite
  now: () => number
  stop: () => Promise<void>
}): Updater {
  const { now, ttlSeconds, log, observer, traceWrite } = deps
  const store = createRequestStore({ redis: deps.commands, ttlSeconds, now, log, observer, traceWrite })
  const channels = createChannelSubscriber({
    redis: deps.commands,
    subscriber: deps.subscriber,
    log: deps.log,
  })
  const watcher = createRequestWatcher({ store, channels, log: deps.log, now })
  const otpMailbox = createOtpMailbox({ redis: deps.commands, channels, store, now })
  const files = createRequestFiles({ redis: deps.commands })
  const bind = createBind({ store, reports: createBotReports({ store, files }), otpMailbox, log })

  return {
    ...createUnboundMethods(bind),
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
