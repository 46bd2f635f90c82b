/**
 * The box in which a code travels from the person to the bot: filled in the same step as the change that hands it over
 * (`submit_otp` of the request store), taken out once, gone with the code's own deadline.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { otpWaitEndsAt } from '../domain/deadline.ts'
import type { ChannelSubscriber } from '../pubsub/channel-subscriber.ts'
import type { RedisClient } from '../redis/connect.ts'
import { retryWithoutWrongTypes } from '../redis/wrong-type.ts'
import type { RequestStore } from '../store/request-store.ts'
import { retryUnavailable } from '../store/retry-unavailable.ts'

export type OtpWaitResult =
  | { code: string }
  | { refused: 'otp_expired' | 'already_final' | 'request_not_found' }

export interface WaitForOtpOptions {
  /** Ends the wait with the signal's reason. */
  signal?: AbortSignal
  /**
   * The person asked for another code: send it, then ask again with `require_otp`. With this the wait outlasts the
   * prompt's deadline for a while, since another code can still be asked for. Without it nobody is offered another one.
   */
  onResend?: () => Promise<void>
  /** The deadline of the code is over, and another one may still be asked for: told once a prompt. */
  onExpired?: () => Promise<void>
}

/** A timer that is set for longer than 2^31 ms fires at once. */
const LONGEST_WAIT_MS = 60_000

export interface OtpMailbox {
  /** Takes the code out, if there is one. */
  take(hash: string): Promise<string | null>
  /** Waits, woken by the hand-over, until there is a code, the prompt's deadline is over, or the request has ended. */
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
  const take = (hash: string): Promise<string | null> => {
    const box = redis.names.otp(hash)
    return retryWithoutWrongTypes(redis, { [box]: 'string' }, () => redis.getdel(box))
  }

  async function waitFor(
    hash: string,
    { signal, onResend, onExpired }: WaitForOtpOptions = {},
  ): Promise<OtpWaitResult> {
    const bell = createSignal()
    // Listen first, then look: a code that comes between the two rings the bell.
    const stop = await retryUnavailable(
      () => channels.subscribe(hash, { onMessage: bell.ring, onGap: bell.ring }),
      {
        signal,
      },
    )
    signal?.addEventListener('abort', bell.ring)
    try {
      // A request for another code is passed on once: the bot may need a moment, or have its reasons not to ask anew.
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
        const asked = `${prompt.id} ${prompt.resends}`
        if (prompt.resend_requested && asked !== handledResend && onResend) {
          handledResend = asked
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
        await bell.heard(Math.min(restMs, LONGEST_WAIT_MS))
      }
    } finally {
      signal?.removeEventListener('abort', bell.ring)
      stop()
    }
  }

  return { take, waitFor }
}

/** Remembers a ring that came while nobody was listening. */
function createSignal(): { ring: () => void; heard: (limitMs: number) => Promise<void> } {
  let rung = false
  let wake: (() => void) | null = null
  return {
    ring() {
      rung = true
      wake?.()
    },
    async heard(limitMs) {
      const timeout = new AbortController()
      if (!rung) {
        const ring = new Promise<void>((resolve) => {
          wake = resolve
        })
        await Promise.race([ring, sleep(limitMs, undefined, { signal: timeout.signal }).catch(() => {})])
      }
      timeout.abort()
      rung = false
      wake = null
    },
  }
}
