/** What a bot waits for in a long poll: the answer to what it asked, or the end of its attempt. */
import { otpWaitEndsAt } from '../domain/deadline.ts'
import { AppError } from '../domain/errors.ts'
import { isFinal, type RequestRecord, type StoredOtpPrompt } from '../domain/record.ts'
import type { EncodedUpdate, RequestWatcher } from '../pubsub/request-watcher.ts'
import type { RedisClient } from '../redis/connect.ts'
import type { RequestStore } from '../store/request-store.ts'
import { withStorageErrors } from '../store/storage-errors.ts'
import { checkAttempt } from './bot-reports.ts'
import { createSignal, type OtpMailbox } from './otp-mailbox.ts'

export type BotAnswered = { answer: string } | { resend_requested: true }

/** Why an attempt should stop. */
export type StopReason = 'already_final' | 'stale_attempt' | 'request_expired'

interface Deps {
  redis: RedisClient
  store: RequestStore
  watcher: RequestWatcher
  otpMailbox: Pick<OtpMailbox, 'take' | 'giveBack'>
  now?: () => number
}

interface AttemptOf {
  hash: string
  attempt: number
}

/** Both resolve with null once the signal aborts, and wait for nothing when it is aborted already. */
export interface BotWaits {
  /**
   * Resolves with an answer once, and once with each resend that the submitter requests. Of several waits for the same
   * request only the newest receives it: the others may be of connections that are lost.
   *
   * @param options.canResend false withdraws the offer of another code
   * @param options.isLeft whether the caller has left: then the answer is kept for the next wait
   * @throws AppError `otp_expired`, `otp_not_expected` when nothing was asked, `already_final`, `stale_attempt`,
   * `request_expired`, `storage_unavailable`
   */
  answer(
    of: AttemptOf,
    options: { signal: AbortSignal; canResend: boolean; isLeft: () => boolean },
  ): Promise<BotAnswered | null>
  /** @throws AppError `request_not_found`, `storage_unavailable` */
  stop(of: AttemptOf, options: { signal: AbortSignal }): Promise<StopReason | null>
}

/** `setTimeout` fires immediately for more than 2^31 ms. */
const MAX_WAIT_MS = 60_000

export const createBotWaits = (deps: Deps): BotWaits => ({
  answer: createAnswerWait(deps),
  stop: createStopWait(deps),
})

function createAnswerWait({ redis, store, watcher, otpMailbox, now = Date.now }: Deps): BotWaits['answer'] {
  /** The newest wait for each request. */
  const newest = new Map<string, ReturnType<typeof createSignal>>()

  async function takeResend({ hash, expires_at }: RequestRecord, prompt: StoredOtpPrompt): Promise<boolean> {
    if (!prompt.resend_requested) return false
    const key = redis.names.resendTaken(hash)
    const [isFirst] = await Promise.all([
      redis.hsetnx(key, `${prompt.id}:${prompt.resends}`, '1'),
      redis.pexpireat(key, Date.parse(expires_at)),
    ])
    return isFirst === 1
  }

  /** What there is now; else how long it may be waited for. */
  async function look(
    { hash, attempt }: AttemptOf,
    { canResend, isLeft }: { canResend: boolean; isLeft: () => boolean },
  ): Promise<{ found: BotAnswered } | { waitMs: number }> {
    const { record } = await store.get(hash)
    checkAttempt(record, attempt)
    const prompt = record.otp_data
    if (!prompt) throw new AppError('otp_not_expected')
    const code = await withStorageErrors(() => otpMailbox.take(hash))
    if (code !== null && isLeft()) await withStorageErrors(() => otpMailbox.giveBack(hash, code, prompt))
    else if (code !== null) return { found: { answer: code } }
    const isOffered = prompt.resend_available_at !== null
    if (canResend && isOffered && (await withStorageErrors(() => takeResend(record, prompt))))
      return { found: { resend_requested: true } }
    if (!canResend && isOffered && record.status === 'otp_required')
      await store.apply(hash, { type: 'withdraw_resend', attempt })
    const closesAt = canResend && isOffered ? otpWaitEndsAt(prompt) : Date.parse(prompt.expires_at)
    if (now() >= closesAt) throw new AppError('otp_expired')
    return { waitMs: closesAt - now() }
  }

  return async (of, { signal, ...options }) => {
    const changed = createSignal()
    const watch = await watcher.watch(of.hash, { onUpdate: changed.set, onExpired: changed.set })
    signal.addEventListener('abort', changed.set)
    newest.set(of.hash, changed)
    try {
      for (;;) {
        const seen = newest.get(of.hash) === changed ? await look(of, options) : { waitMs: MAX_WAIT_MS }
        if ('found' in seen) return seen.found
        if (signal.aborted) return null
        await changed.wait(Math.min(seen.waitMs, MAX_WAIT_MS))
        // A code must not be taken for a caller that has left.
        if (signal.aborted) return null
      }
    } finally {
      if (newest.get(of.hash) === changed) newest.delete(of.hash)
      signal.removeEventListener('abort', changed.set)
      watch.stop()
    }
  }
}

function createStopWait({ watcher }: Deps): BotWaits['stop'] {
  return async ({ hash, attempt }, { signal }) => {
    let reason: StopReason | null = null
    const changed = createSignal()
    const stopAs = (found: StopReason): void => {
      reason ??= found
      changed.set()
    }
    const check = ({ position }: EncodedUpdate): void => {
      if (isFinal(position.status)) stopAs('already_final')
      else if (position.attempt > attempt) stopAs('stale_attempt')
    }
    const watch = await watcher.watch(hash, {
      onUpdate: check,
      onExpired: () => stopAs('request_expired'),
    })
    signal.addEventListener('abort', changed.set)
    try {
      check(watch.latest)
      while (reason === null && !signal.aborted) await changed.wait(MAX_WAIT_MS)
      return reason
    } finally {
      signal.removeEventListener('abort', changed.set)
      watch.stop()
    }
  }
}
