/** Waits for the code over HTTP, by long polls. */
import type { WaitForOtpOptions } from '../core/actions/otp-mailbox.ts'
import { AppError } from '../core/domain/errors.ts'
import { retryUnavailable } from '../core/store/storage-errors.ts'
import type { HalfwayAnswer } from './halfway-client.ts'
import { otpExpired } from './request-updater.ts'

/** The most that the server allows. */
export const LONGEST_WAIT_SECONDS = 25

type Body = HalfwayAnswer['body']

export interface HttpAnswers {
  /** @param answer of the call that asked for the code */
  asked(answer: Body): void
  /** @throws BotFailure `otp_expired`, AppError */
  wait(
    poll: (query: string, waitSeconds: number) => Promise<Body>,
    options?: WaitForOtpOptions,
  ): Promise<string>
}

export function createHttpAnswers(): HttpAnswers {
  /** When the code expires, by the monotonic clock; null where that is unknown or was noticed. */
  let expiresAt: number | null = null

  /** How long to wait, so that the expiry of the code is noticed in time. */
  function pollSeconds({ onExpired }: WaitForOtpOptions): number {
    if (!onExpired || expiresAt === null) return LONGEST_WAIT_SECONDS
    const left = Math.ceil((expiresAt - performance.now()) / 1000)
    return Math.max(1, Math.min(LONGEST_WAIT_SECONDS, left))
  }

  return {
    asked(answer) {
      const seconds = answer?.expires_in
      expiresAt = typeof seconds === 'number' ? performance.now() + seconds * 1000 : null
    },
    async wait(poll, options = {}) {
      const { signal, onResend, onExpired } = options
      const query = onResend ? '' : '?resend=false'
      for (;;) {
        signal?.throwIfAborted()
        try {
          const answer = await retryUnavailable(() => poll(query, pollSeconds(options)), { signal })
          if (answer?.answer !== undefined) return String(answer.answer)
          if (answer?.resend_requested === true) {
            await onResend?.()
            continue
          }
        } catch (error) {
          signal?.throwIfAborted()
          throw error instanceof AppError && error.code === 'otp_expired' ? otpExpired() : error
        }
        if (onExpired && onResend && expiresAt !== null && performance.now() >= expiresAt) {
          expiresAt = null
          await onExpired()
        }
      }
    },
  }
}
