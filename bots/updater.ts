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
import { nanoid } from 'nanoid'
import type { RedisTarget } from '../core/config.ts'
import { AppError, type ErrorCode } from '../core/errors.ts'
import type { Change } from '../core/lifecycle.ts'
import { createLog, type Log } from '../core/log.ts'
import type { OtpRequest } from '../core/otp-prompt.ts'
import { isFinal, type PartReport } from '../core/record.ts'
import { startClock } from '../core/redis/clock.ts'
import { type ConnectionSettings, openRedis, type RedisClient } from '../core/redis/connect.ts'
import { createLiveRequests, type LiveUpdate } from '../core/redis/live-requests.ts'
import { createOtpBox, type WaitForOtpOptions } from '../core/redis/otp-box.ts'
import { createRequestStore, type Stored } from '../core/redis/request-store.ts'
import { isUnavailable, retryUnavailable } from '../core/redis/retry-unavailable.ts'
import { createUpdateBus } from '../core/redis/update-bus.ts'
import { sayCommon } from '../core/texts/common-messages.ts'
import { asTold, type Told } from '../core/told.ts'
import { BotFailure } from './bot-failure.ts'

export type AskForOtp = Omit<OtpRequest, 'id' | 'recall'>

/** All about one request, one attempt of it. Every call resolves once Redis has it, or has refused a report of progress. */
export interface RequestUpdater {
  /**
   * @param progress 0 to 99; lower than before is kept at what was reached
   * @param step one of the service's steps
   * @param message words for everybody, or with a key by which each viewer reads them in their own language
   * @param parts how the parts of the current step stand, those that have changed or all of them
   */
  updateProgress(
    progress: number,
    step?: string,
    message?: string | Told,
    parts?: PartReport[],
  ): Promise<void>
  /** Asks the person for a code. Resolves once they are asked; the code comes from `waitForOtp`. */
  markAsOtpRequired(otp?: AskForOtp): Promise<void>
  /**
   * The code that the person typed.
   * @throws BotFailure `otp_expired` when nobody typed one in time; AppError when the request has ended
   */
  waitForOtp(options?: WaitForOtpOptions): Promise<string>
  /** The code was wrong: asks again while tries are left, else the request has failed. True when it was asked again. */
  rejectOtp(message?: string | Told): Promise<boolean>
  /**
   * @param result any JSON, 256 kB at most
   * @throws AppError `result_too_large`, `bot_bad_answer` (no JSON) after the request was failed with it
   */
  markAsCompleted(result: unknown): Promise<void>
  markAsFailed(message: string | Told, error?: { code?: string; retryable?: boolean }): Promise<void>
}

export interface Updater {
  updateProgress(hash: string, ...report: Parameters<RequestUpdater['updateProgress']>): Promise<void>
  markAsOtpRequired(hash: string, otp?: AskForOtp): Promise<void>
  waitForOtp(hash: string, options?: WaitForOtpOptions): Promise<string>
  rejectOtp(hash: string, message?: string | Told): Promise<boolean>
  markAsCompleted(hash: string, result: unknown): Promise<void>
  markAsFailed(
    hash: string,
    message: string | Told,
    error?: { code?: string; retryable?: boolean },
  ): Promise<void>
  /**
   * The same, bound to one request. `attempt` is asked for at each write; left out, it is the one found first. What Redis
   * refuses is not tried again once `signal` aborts.
   */
  bind(hash: string, attempt?: () => number, signal?: AbortSignal): RequestUpdater
  /** The request as it stands, for a bot that wants to look; null when it is gone. */
  read(hash: string): Promise<Stored['record'] | null>
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
  /** An address (`redis://…`, `unix://…`) or settings as in core/config.ts; the updater opens its own connections. */
  redis: string | RedisTarget
  /** Prefixes and time limits, where the installation has set its own. */
  connections?: ConnectionSettings
  /** The life of a record in seconds, as the server has it. */
  ttlSeconds?: number
  log?: Log
}

/** Of how many requests the plain calls remember which attempt they met first. */
const REMEMBERED = 1000
/** What the request fails with whose result cannot be kept. */
const CANNOT_BE_KEPT: ReadonlySet<ErrorCode> = new Set(['result_too_large', 'bot_bad_answer'])

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
  const bus = createUpdateBus({ redis: deps.commands, subscriber: deps.subscriber, log: deps.log })
  const live = createLiveRequests({ store, bus, log: deps.log, ttlSeconds, now })
  const otpBox = createOtpBox({ redis: deps.commands, bus, store, now })
  const plain = new Map<string, RequestUpdater>()

  const write = async (hash: string, change: Change, signal?: AbortSignal): Promise<Stored> => {
    const outcome = await retryUnavailable(() => store.apply(hash, change), { signal })
    if (!outcome.ok) {
      throw new AppError(outcome.refusal, {
        detail: `${change.type} of ${hash} was refused: ${outcome.refusal}`,
      })
    }
    return outcome.stored
  }

  /** The attempt this program works for: the one it found when it first wrote, so that a take-over fences it off. */
  const firstAttempt = (hash: string): (() => Promise<number>) => {
    let found: Promise<number> | null = null
    const find = async (): Promise<number> => {
      const stored = await store.read(hash)
      if (!stored)
        throw new AppError('request_not_found', { detail: `There is no request ${hash} (any more).` })
      return stored.record.attempt
    }
    return () => {
      found ??= find().catch((error: unknown) => {
        // Not found, or Redis away: the next write looks again.
        found = null
        throw error
      })
      return found
    }
  }

  const bind = (hash: string, given?: () => number, signal?: AbortSignal): RequestUpdater => {
    const found = firstAttempt(hash)
    const current = async (): Promise<number> => given?.() ?? retryUnavailable(found, { signal })
    const noRetry = AbortSignal.abort()
    return {
      async updateProgress(progress, step, message, parts) {
        const told = message === undefined ? {} : asTold(message)
        const change = { type: 'progress', progress, step, parts, ...told } as const
        try {
          await write(hash, { ...change, attempt: given?.() ?? (await found()) }, noRetry)
        } catch (error) {
          if (!isUnavailable(error)) throw error
          log.debug({ err: error, hash }, 'a report of progress was dropped')
        }
      },
      async markAsOtpRequired(otp = {}) {
        const attempt = await current()
        await write(hash, { type: 'require_otp', attempt, otp: { ...otp, id: nanoid(10) } }, signal)
      },
      async waitForOtp(options) {
        const answer = await otpBox.waitFor(hash, options)
        if ('code' in answer) return answer.code
        if (answer.refused === 'otp_expired') throw new BotFailure('otp_expired', sayCommon('otp_expired'))
        throw new AppError(answer.refused)
      },
      async rejectOtp(message) {
        const told = message === undefined ? {} : asTold(message)
        const { record } = await write(
          hash,
          { type: 'reject_otp', attempt: await current(), ...told },
          signal,
        )
        return record.status === 'otp_required'
      },
      async markAsCompleted(result) {
        const attempt = await current()
        try {
          await write(hash, { type: 'complete', attempt, result }, signal)
        } catch (error) {
          if (error instanceof AppError && CANNOT_BE_KEPT.has(error.code)) {
            const { code, message } = error
            await write(hash, { type: 'fail', attempt, error: { code, message, retryable: false } }, signal)
          }
          throw error
        }
      },
      async markAsFailed(words, { code = 'failed', retryable = false } = {}) {
        const { message, ...key } = asTold(words)
        const error = { code, message, retryable }
        await write(hash, { type: 'fail', attempt: await current(), error, ...key }, signal)
      },
    }
  }

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
      const look = ({ view }: LiveUpdate): void => {
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
