/**
 * Hands a one-time code from the submitter to the bot. The code is stored by the same script as `submit_otp`, taken once
 * (GETDEL), and expires at the deadline of its prompt.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { otpWaitEndsAt } from '../domain/deadline.ts'
import type { StoredOtpPrompt } from '../domain/otp-data.ts'
import type { ChannelSubscriber } from '../pubsub/channel-subscriber.ts'
import type { RedisClient } from '../redis/connect.ts'
import { retryWithoutWrongTypes } from '../redis/wrong-type.ts'
import type { RequestStore } from '../store/request-store.ts'
import { retryUnavailable } from '../store/storage-errors.ts'

export type OtpWaitResult =
  | { code: string }
  | { refused: 'otp_expired' | 'already_final' | 'request_not_found' }

export interface WaitForOtpOptions {
  /** Ends the wait with the signal's reason. */
  signal?: AbortSignal
  /**
   * Called when the submitter requests another code: send it, then call `require_otp` again. With it the wait continues for
   * a while after the prompt's deadline, because another code can still be requested. Without it no resend is offered.
   */
  onResend?: () => Promise<void>
  /** Called once per prompt when its code has expired while a resend is still allowed. */
  onExpired?: () => Promise<void>
}

/** `setTimeout` fires immediately for more than 2^31 ms. */
const MAX_WAIT_MS = 60_000

export interface OtpMailbox {
  /** Takes the code; null when there is none. */
  take(hash: string): Promise<string | null>
  /** Keeps a code that was taken in vain, unless there is a newer one. */
  giveBack(hash: string, code: string, prompt: Pick<StoredOtpPrompt, 'expires_at'>): Promise<void>
  /** Resolves when there is a code, the prompt has expired, or the request has ended. */
  waitFor(hash: string, options?: WaitForOtpOptions): Promise<OtpWaitResult>
}

export function createOtpMailbox({
  redis,
  channels,
  store,
  now = Date.now,
}: {
  redis: RedisClient
  channels: ChannelSubscriber
  store: RequestStore
  now?: () => number
}): OtpMailbox {
  const take = async (hash: string): Promise<string | null> => {
    const key = redis.names.otp(hash)
    const stored = await retryWithoutWrongTypes(redis, { [key]: 'string' }, () => redis.getdel(key))
    return stored === null ? null : redis.box.open(key, stored)
  }

  async function waitFor(
    hash: string,
    { signal, onResend, onExpired }: WaitForOtpOptions = {},
  ): Promise<OtpWaitResult> {
    const changed = createSignal()
    // Subscribe before the first look: a code that comes between the two sets the signal.
    const stop = await retryUnavailable(
      () => channels.subscribe(hash, { onMessage: changed.set, onGap: changed.set }),
      {
        signal,
      },
    )
    signal?.addEventListener('abort', changed.set)
    try {
      // Each resend is passed to the bot once: it may need a moment, or have reasons not to prompt again.
      let handledResend = ''
      let expired = ''
      let withdrawn = ''
      for (;;) {
        signal?.throwIfAborted()
        const code = await retryUnavailable(() => take(hash), { signal })
        if (code !== null) return { code }
        const stored = await retryUnavailable(() => store.read(hash), { signal })
        if (!stored) return { refused: 'request_not_found' }
        const { status, otp_data: prompt, attempt } = stored.record
        if (!prompt || (status !== 'otp_required' && status !== 'processing'))
          return { refused: 'already_final' }
        const isOffered = status === 'otp_required' && prompt.resend_available_at !== null && !prompt.recall
        if (isOffered && !onResend && withdrawn !== prompt.id) {
          withdrawn = prompt.id
          await store.apply(hash, { type: 'withdraw_resend', attempt })
          continue
        }
        const resend = `${prompt.id} ${prompt.resends}`
        if (prompt.resend_requested && resend !== handledResend && onResend) {
          handledResend = resend
          await onResend()
          continue
        }
        const expiresAt = Date.parse(prompt.expires_at)
        const closesAt = onResend ? otpWaitEndsAt(prompt) : expiresAt
        if (now() >= closesAt) return { refused: 'otp_expired' }
        if (now() >= expiresAt && expired !== prompt.id) {
          expired = prompt.id
          await onExpired?.()
        }
        const restMs = (now() < expiresAt ? expiresAt : closesAt) - now()
        await changed.wait(Math.min(restMs, MAX_WAIT_MS))
      }
    } finally {
      signal?.removeEventListener('abort', changed.set)
      stop()
    }
  }

  async function giveBack(hash: string, code: string, { expires_at }: Pick<StoredOtpPrompt, 'expires_at'>) {
    const key = redis.names.otp(hash)
    await redis.set(key, redis.box.seal(key, code), 'PXAT', Date.parse(expires_at), 'NX')
  }

  return { take, giveBack, waitFor }
}

/** A signal that stays set until the next wait, so that one set between two waits is not lost. */
export function createSignal(): { set: () => void; wait: (timeoutMs: number) => Promise<void> } {
  let isSet = false
  let wake: (() => void) | null = null
  return {
    set() {
      isSet = true
      wake?.()
    },
    async wait(timeoutMs) {
      const timeout = new AbortController()
      if (!isSet) {
        const woken = new Promise<void>((resolve) => {
          wake = resolve
        })
        await Promise.race([woken, sleep(timeoutMs, undefined, { signal: timeout.signal }).catch(() => {})])
      }
      timeout.abort()
      isSet = false
      wake = null
    },
  }
}
